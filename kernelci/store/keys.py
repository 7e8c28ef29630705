"""The keys with names, in the database of the objects that are made with them. No SQL about keys is elsewhere."""

from __future__ import annotations

import logging
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol import ids
from kernelci.protocol.keys import Key
from kernelci.store.database import Database
from kernelci.store.tables import keys

logger = logging.getLogger(__name__)

MINUTE = 60
"""Seconds for which a key's last use is good enough: a write for each request would slow them all."""


class SqlKeys:
    """The Keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Key, ...]:
        return await self._database.read(_all)

    async def add(self, key: Key) -> None:
        """Let this key in from now on.

        Raises:
            InvalidRequest: there is one of that name.
        """
        try:
            await self._database.write(lambda connection: connection.execute(insert(keys).values(asdict(key))))
        except IntegrityError:
            raise InvalidRequest(
                f"There is a key named {key.name} already. To put a new one in its place: "
                f"kernelci keys revoke {key.name}"
            ) from None

    async def drop(self, name: str) -> None:
        """Let that key in no more.

        Raises:
            NotFound: there is none of that name.
        """
        if not await self._database.write(lambda connection: _drop(connection, name)):
            raise NotFound(f"There is no key named {name!r}. See: kernelci keys list")

    async def note_use(self, key: Key) -> None:
        now = ids.now()
        if key.used_at is not None and now - key.used_at < MINUTE:
            return
        used = update(keys).where(keys.c.digest == key.digest).values(used_at=now)
        try:
            await self._database.write(lambda connection: connection.execute(used))
        except SQLAlchemyError as error:  # a full disk must not keep out who comes to make room
            logger.warning("a key's use was not noted: %s", error, extra={"action": "key_use_lost"})


def _all(connection: Connection) -> tuple[Key, ...]:
    return tuple(Key(*row) for row in connection.execute(select(keys).order_by(keys.c.name)))


def _drop(connection: Connection, name: str) -> bool:
    return connection.execute(delete(keys).where(keys.c.name == name)).rowcount > 0
