"""Keys in the database, and a database from before there were any."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from anyio import to_thread
from sqlalchemy import create_engine

from kernelci.engine.ports.store import Page
from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol import ids
from kernelci.protocol.keys import digest, fresh, matching
from kernelci.protocol.objects import Thread
from kernelci.store import migrations
from kernelci.store.keys import MINUTE
from kernelci.store.store import SqlStore


async def test_keys_come_and_go(store: SqlStore) -> None:
    (bobs, bob), (alices, alice) = fresh("bob"), fresh("alice")
    await store.keys.add(bob)
    await store.keys.add(alice)
    assert await store.keys.all() == (alice, bob)
    assert matching(bobs.encode(), await store.keys.all()) == bob
    with pytest.raises(InvalidRequest, match="There is a key named bob already"):
        await store.keys.add(fresh("bob")[1])
    await store.keys.drop("bob")
    assert matching(bobs.encode(), await store.keys.all()) is None
    assert matching(alices.encode(), await store.keys.all()) == alice
    assert matching(digest(alices.encode()).encode(), await store.keys.all()) is None, "a digest opens nothing"
    with pytest.raises(NotFound, match="There is no key named 'bob'"):
        await store.keys.drop("bob")


async def test_a_use_is_noted_once_a_minute(store: SqlStore) -> None:
    now = ids.now()
    for used_at, noted in ((None, True), (now - MINUTE, True), (now, False)):
        key = replace(fresh("alice")[1], used_at=used_at)
        await store.keys.add(key)
        await store.keys.note_use(key)
        (kept,) = await store.keys.all()
        assert ((kept.used_at or 0) >= now) if noted else (kept == key)
        await store.keys.drop("alice")


async def test_a_use_that_cannot_be_noted_keeps_nobody_out(
    store: SqlStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text, key = fresh("alice")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE keys")
    with caplog.at_level(logging.WARNING, "kernelci"):
        await store.keys.note_use(key)
    (record,) = caplog.records
    assert record.__dict__["action"] == "key_use_lost"
    assert text not in caplog.text
    assert key.digest not in caplog.text


async def test_what_was_made_before_there_were_keys_is_local(path: Path) -> None:
    def as_it_was() -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.exec_driver_sql(
                "INSERT INTO threads (id, seq, created_at, metadata, doc) "
                """VALUES ('thread_old', 1, 1, '{}', '{"id": "thread_old", "created_at": 1}')"""
            )
        engine.dispose()

    await to_thread.run_sync(as_it_was)
    async with SqlStore(f"sqlite:///{path}") as store:
        assert (await store.of("local").get(Thread, "thread_old")).id == "thread_old"
        assert (await store.of("alice").page(Thread, Page())).data == ()
