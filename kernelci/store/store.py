"""The store: objects in a database. What each transaction is made of is in rows.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import IntegrityError

from kernelci.engine.ports import Page, Paged
from kernelci.protocol.objects import Message, Object, Run, Stored, Thread
from kernelci.store import rows
from kernelci.store.database import Database

ObjectT = TypeVar("ObjectT", bound=Object)


class SqlStore:
    """The Store on any database that SQLAlchemy reaches by this URL; `async with` brings its tables up to date."""

    def __init__(self, url: str | URL) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._database = await Database.open(self._url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._database.close()

    async def put(self, *objects: Stored) -> None:
        try:
            await self._database.write(lambda connection: rows.put(connection, objects))
        except IntegrityError as error:
            reason = await self._database.read(lambda connection: rows.refusal(connection, objects))
            if reason is None:
                raise
            raise reason from error

    async def find(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT | None:
        return await self._database.read(lambda connection: rows.find(connection, kind, id, within))

    async def get(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        return await self._database.read(lambda connection: rows.get(connection, kind, id, within))

    async def page(
        self,
        kind: type[ObjectT],
        page: Page,
        *,
        within: str | None = None,
        purpose: str | None = None,
        run_id: str | None = None,
    ) -> Paged[ObjectT]:
        return await self._database.read(
            lambda connection: rows.page(connection, kind, page, within, purpose=purpose, run_id=run_id)
        )

    async def all(self, kind: type[ObjectT], *, within: str) -> tuple[ObjectT, ...]:
        return await self._database.read(lambda connection: rows.everything(connection, kind, within))

    async def conversation(self, thread_id: str, *kinds: type[ObjectT]) -> tuple[ObjectT, ...]:
        return await self._database.read(lambda connection: rows.conversation(connection, thread_id, kinds))

    async def edit(
        self, kind: type[ObjectT], id: str, change: Callable[[ObjectT], ObjectT], *, within: str | None = None
    ) -> ObjectT:
        return await self._database.write(lambda connection: rows.edit(connection, kind, id, change, within))

    async def drop(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        return await self._database.write(lambda connection: rows.drop(connection, kind, id, within))

    async def post(self, message: Message, change: Callable[[Thread], Thread]) -> None:
        await self._database.write(lambda connection: rows.post(connection, message, change))

    async def open_run(self, run: Run, messages: Sequence[Message], change: Callable[[Thread], Thread]) -> None:
        await self._database.write(lambda connection: rows.open_run(connection, run, messages, change))

    async def holds(self, sha256: str) -> bool:
        return await self._database.read(lambda connection: rows.holds(connection, sha256))

    async def held(self) -> frozenset[str]:
        """The hashes of all bytes that files have; the rest may be swept."""
        return await self._database.read(rows.held)

    async def active_runs(self) -> tuple[Run, ...]:
        return await self._database.read(rows.active_runs)
