"""The database itself: how it is opened, brought up to date, and worked with from the event loop.

All that is peculiar to one database product is here. SQLite: one writer at a time and readers beside it on
connections of their own (WAL), every commit flushed to the disk (synchronous=FULL).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import anyio
from anyio import to_thread
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from kernelci.errors import DiskFull, StartupError, alone, in_words

READERS = 4
WRITERS = 8
"""On a database server; SQLite has one."""

LOCK_WAIT = 30
"""Seconds to wait for another process that writes to the same SQLite file, such as a backup."""

T = TypeVar("T")


class Database:
    """A database that is read and written one transaction at a time, each one hop to a worker thread.

    A transaction that has begun goes on to its end even if its caller is cancelled.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._writes = anyio.CapacityLimiter(1 if writer is not reader else WRITERS)
        self._reads = anyio.CapacityLimiter(READERS)

    @classmethod
    async def open(cls, url: str | URL) -> Self:
        """Connect, and bring the tables up to date.

        Raises:
            StartupError: the database does not work.
        """
        try:
            return cls(*await to_thread.run_sync(_connect, make_url(url)))
        except DBAPIError as error:
            raise broken(error.orig) from error

    async def close(self) -> None:
        """Give the connections back, after the writes that have begun."""
        await to_thread.run_sync(self._dispose, limiter=self._writes)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What the work finds, in a transaction of its own."""
        return await to_thread.run_sync(_transaction, self._reader, work, limiter=self._reads)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What the work gives, once it is on the disk; if it raises, nothing of it has happened."""
        return await to_thread.run_sync(_transaction, self._writer, work, limiter=self._writes)

    def _dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


def broken(error: BaseException | None) -> StartupError:
    """What to say of a database that does not work."""
    return StartupError(f"The database cannot be used: {error}. Is the disk full, or the file damaged?")


@contextmanager
def plainly() -> Generator[None]:
    """What goes wrong in the block goes on alone, where a task group has put it into a group.

    Raises:
        StartupError: the database failed, and how.
        DiskFull: the disk is.
    """
    try:
        yield
    except Exception as error:
        found = alone(error)
        if isinstance(in_words(found), DiskFull):
            raise DiskFull from error
        if isinstance(found, DBAPIError):
            raise broken(found.orig) from error
        if found is error:
            raise
        raise found from found.__cause__


def _connect(url: URL) -> tuple[Engine, Engine]:
    """The engine that writes, and the one that reads, which may be the same; the tables are up to date."""
    if url.get_backend_name() == "sqlite":
        writer, reader = _sqlite_writer(url), _sqlite_reader(url)
    else:
        writer = reader = create_engine(url, hide_parameters=True)
    try:
        _migrate(writer)
    except BaseException:
        writer.dispose()
        raise
    return writer, reader


def _transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _sqlite_writer(url: URL) -> Engine:
    return _sqlite(
        url,
        1,
        begin="BEGIN IMMEDIATE",  # a transaction that only later turns out to write could not get the lock then
        pragmas=("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"),
    )


def _sqlite_reader(url: URL) -> Engine:
    return _sqlite(url, READERS, begin="BEGIN", pragmas=("query_only=ON",))


def _sqlite(url: URL, connections: int, *, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # or an error's text, which is logged, would hold the message that was written
        # None: the driver begins no transaction by itself, at a moment of its own choosing.
        connect_args={"isolation_level": None, "timeout": LOCK_WAIT},
    )

    def set_up(connection: sqlite3.Connection, _: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", start)
    return engine


def _migrate(engine: Engine) -> None:
    from alembic import command  # noqa: PLC0415  a fifth of a second that no reader of this file should pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
