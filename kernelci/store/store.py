"""The store: objects in a database. What each transaction is made of is in rows.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import IntegrityError

from kernelci.engine.ports.store import Page, Paged
from kernelci.protocol.objects import LOCAL, Message, Object, Run, Thread
from kernelci.store import turns
from kernelci.store.database import Database
from kernelci.store.keys import SqlKeys
from kernelci.store.rows import Rows, expire, held, holds, pending_uploads

ObjectT = TypeVar("ObjectT", bound=Object)
T = TypeVar("T")


class SqlStore:
    """The Store on any database that SQLAlchemy reaches by this URL; `async with` brings its tables up to date.

    It finds the objects of all owners; `of` gives one owner's view, on the same connections.
    """

    def __init__(self, url: str | URL) -> None:
        self._url = url
        self._owner: str | None = None

    async def __aenter__(self) -> Self:
        self._database = await Database.open(self._url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._database.close()

    @property
    def owner(self) -> str:
        return self._owner or LOCAL

    def of(self, owner: str) -> SqlStore:
        view = copy(self)
        view._owner = owner
        return view

    @property
    def keys(self) -> SqlKeys:
        """The keys with names, which are kept beside the objects."""
        return SqlKeys(self._database)

    async def put(self, *objects: Object) -> tuple[Message, ...]:
        return await self._take_in(lambda rows: turns.put(rows, objects), objects)

    async def add(self, *objects: Object) -> None:
        await self._take_in(lambda rows: rows.add(objects), objects)

    async def find(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT | None:
        return await self._read(lambda rows: rows.find(kind, id, within))

    async def get(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        return await self._read(lambda rows: rows.get(kind, id, within))

    async def page(
        self,
        kind: type[ObjectT],
        page: Page,
        *,
        within: str | None = None,
        purpose: str | None = None,
        run_id: str | None = None,
    ) -> Paged[ObjectT]:
        return await self._read(lambda rows: rows.page(kind, page, within, purpose=purpose, run_id=run_id))

    async def all(self, kind: type[ObjectT], *, within: str) -> tuple[ObjectT, ...]:
        return await self._read(lambda rows: rows.everything(kind, within))

    async def conversation(self, thread_id: str, *kinds: type[ObjectT], brief: bool = False) -> tuple[ObjectT, ...]:
        return await self._read(lambda rows: rows.conversation(thread_id, kinds, brief=brief))

    async def edit(
        self,
        kind: type[ObjectT],
        id: str,
        change: Callable[[ObjectT], ObjectT],
        *,
        within: str | None = None,
        adding: Sequence[Object] = (),
    ) -> ObjectT:
        return await self._write(lambda rows: rows.edit(kind, id, change, within, adding))

    async def drop(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        return await self._write(lambda rows: rows.drop(kind, id, within))

    async def post(self, message: Message, change: Callable[[Thread], Thread], *, wait: bool = False) -> Message:
        return await self._write(lambda rows: turns.post(rows, message, change, wait=wait))

    async def open_run(
        self, run: Run, messages: Sequence[Message], change: Callable[[Thread], Thread], *, wait: bool = False
    ) -> Run:
        return await self._write(lambda rows: turns.open_run(rows, run, messages, change, wait=wait))

    async def holds(self, sha256: str) -> bool:
        return await self._database.read(lambda connection: holds(connection, sha256))

    async def held(self) -> frozenset[str]:
        """The hashes of all bytes that files have; the rest may be swept."""
        return await self._database.read(held)

    async def pending_uploads(self) -> frozenset[str]:
        """The ids of all uploads whose parts may still come; what is kept of others may be swept."""
        return await self._database.read(pending_uploads)

    async def expire(self) -> None:
        """Delete what is past its time, which nobody finds any more."""
        await self._database.write(expire)

    async def active_runs(self) -> tuple[Run, ...]:
        return await self._read(Rows.active_runs)

    async def _take_in(self, work: Callable[[Rows], T], objects: Sequence[Object]) -> T:
        try:
            return await self._write(work)
        except IntegrityError as error:
            reason = await self._read(lambda rows: rows.refusal(objects))
            if reason is None:
                raise
            raise reason from error

    async def _read(self, work: Callable[[Rows], T]) -> T:
        return await self._database.read(lambda connection: work(Rows(connection, self._owner)))

    async def _write(self, work: Callable[[Rows], T]) -> T:
        return await self._database.write(lambda connection: work(Rows(connection, self._owner)))
