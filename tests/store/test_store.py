from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from anyio import to_thread
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import IntegrityError

from kernelci.engine.ports.store import Page, Store
from kernelci.errors import NotFound
from kernelci.protocol.objects import Assistant, Cell, File, Message, Run, RunStep, Thread
from kernelci.store import rows, turns
from kernelci.store.database import Database
from kernelci.store.folder import VERSION, DataFolder
from kernelci.store.rows import Rows, holds
from kernelci.store.store import SqlStore
from kernelci.store.tables import metadata
from tests.conformance.objects import cell, file, message, named, part, run, step, thread, upload
from tests.conformance.store import StoreConformance
from tests.conformance.turns import TurnsConformance


class TestSqlStore(StoreConformance, TurnsConformance):
    """On SQLite."""


async def test_a_migrated_database_is_what_the_tables_say(store: Store, path: Path) -> None:
    def differences() -> object:
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            found = compare_metadata(MigrationContext.configure(connection), metadata)
        engine.dispose()
        return found

    assert await to_thread.run_sync(differences) == []
    assert await store.active_runs() == ()


FIRST = Path(__file__).parent / "first.sql"


async def test_a_folder_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "kernelci.db") as connection:
        connection.executescript(FIRST.read_text(encoding="utf-8"))
    connection.close()
    (tmp_path / "version").write_text("1\n")
    async with DataFolder(tmp_path) as folder, SqlStore(folder.url) as store:
        (a_file,) = (await store.page(File, Page())).data
        assert (a_file.filename, a_file.expires_at) == ("נתונים.csv", None)
        (a_message,) = await store.all(Message, within="thread_1")
        assert a_message.metadata == {"kept": "yes"}
        an_upload = upload()
        await store.put(an_upload, part(an_upload))
        await store.expire()
        assert await store.find(File, a_file.id) == a_file
        assert await store.pending_uploads() == {an_upload.id}


async def test_an_expired_row_is_deleted_with_its_parts(store: SqlStore, path: Path) -> None:
    old, done, pending = upload(), upload(status="completed"), upload()
    await store.put(old, part(old), done, pending, part(pending), file(expires_at=1, blob="a" * 64))
    await store.put(old.model_copy(update={"expires_at": 1}))
    assert await store.holds("a" * 64)
    await store.expire()
    assert await store.pending_uploads() == {pending.id}
    assert not await store.holds("a" * 64)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT upload_id FROM parts").fetchall() == [(pending.id,)]
    connection.close()


def test_the_folders_version_counts_the_migrations() -> None:
    versions = Path(rows.__file__).parent / "migrations" / "versions"
    assert len(list(versions.glob("0*.py"))) == VERSION


async def test_a_migration_that_fails_leaves_nothing(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cells (in_the_way TEXT)")
    connection.close()
    with pytest.raises(Exception, match="cells already exists"):
        async with SqlStore(f"sqlite:///{path}"):
            pass
    with sqlite3.connect(path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    assert tables == ["cells"]


async def test_what_could_not_be_written_is_not_in_the_error(store: SqlStore) -> None:
    with pytest.raises(NotFound) as refused:
        await store.put(message(thread(), "a secret"))
    assert isinstance(refused.value.__cause__, IntegrityError)
    assert "secret" not in str(refused.value.__cause__)


async def test_the_order_of_creation_outlives_a_restart(path: Path) -> None:
    a_thread = thread()
    messages = [message(a_thread) for _ in range(3)]
    async with SqlStore(f"sqlite:///{path}") as store:
        await store.put(a_thread, *messages[:2])
        await store.drop(Message, messages[1].id)
    async with SqlStore(f"sqlite:///{path}") as store:
        await store.put(messages[2])
        assert named(await store.all(Message, within=a_thread.id)) == [messages[0].id, messages[2].id]
    with sqlite3.connect(path) as connection:
        numbers = [number for (number,) in connection.execute("SELECT seq FROM messages ORDER BY seq")]
    connection.close()
    assert numbers == [2, 4], "no number is given twice, to whatever kind"


async def test_sqlite_is_set_up_to_keep_what_it_takes(path: Path) -> None:
    def pragma(name: str) -> Callable[[Connection], object]:
        return lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    database = await Database.open(f"sqlite:///{path}")
    assert await database.write(pragma("journal_mode")) == "wal"
    assert await database.write(pragma("synchronous")) == 2
    assert await database.write(pragma("foreign_keys")) == 1
    assert await database.read(pragma("query_only")) == 1
    await database.close()


@pytest.mark.parametrize("native", [False, True], ids=["cancel scope", "task.cancel"])
async def test_a_write_once_begun_goes_to_its_end(store: SqlStore, native: bool) -> None:
    a_thread = thread()
    await store.put(a_thread)
    begun, cancelled = anyio.Event(), threading.Event()

    def change(old: Thread) -> Thread:
        anyio.from_thread.run_sync(begun.set)
        assert cancelled.wait(timeout=60)
        return old.model_copy(update={"metadata": {"written": "yes"}})

    if native:
        task = asyncio.ensure_future(store.edit(Thread, a_thread.id, change))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        cancelled.set()
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.edit, Thread, a_thread.id, change)
            await begun.wait()
            tasks.cancel_scope.cancel()
            cancelled.set()
    await store.put(thread())  # the writer takes the next in turn, after that one
    assert (await store.get(Thread, a_thread.id)).metadata == {"written": "yes"}


async def test_readers_do_not_wait_for_the_writer(store: SqlStore) -> None:
    a_thread = thread()
    await store.put(a_thread)
    read = anyio.Event()

    def change(old: Thread) -> Thread:
        anyio.from_thread.run(read.wait)  # the transaction is open until somebody has read
        return old

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.edit, Thread, a_thread.id, change)
        assert await store.get(Thread, a_thread.id) == a_thread
        read.set()


async def test_nothing_grows_with_other_threads(store: Store, path: Path) -> None:
    a_thread = thread()
    a_message, a_run = message(a_thread), run(a_thread)
    await store.put(a_thread, a_message, a_run)
    plans: list[str] = []

    def explain(_: object, cursor: DBAPICursor, statement: str, parameters: object, *__: object) -> None:
        plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(f"{detail} <- {statement}" for *_, detail in plan)

    def look_up() -> None:
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "before_cursor_execute", explain)
        with engine.connect() as connection:
            mine = Rows(connection, "local")
            for order in ("asc", "desc"):
                for page in (Page(order=order), Page(order=order, after=a_message.id), Page(before=a_message.id)):
                    mine.page(Message, page, a_thread.id)
                mine.page(Message, Page(order=order), a_thread.id, run_id="run_1")
                mine.page(Run, Page(order=order), a_thread.id)
                mine.page(Assistant, Page(order=order))
            mine.page(RunStep, Page(), "run_1")
            mine.page(File, Page())
            mine.page(File, Page(), purpose="assistants")
            mine.find(Run, "run_1", a_thread.id)
            mine.everything(Cell, a_thread.id)
            mine.conversation(a_thread.id, (Message, Cell))
            mine.active_run(a_thread.id)
            holds(connection, "0" * 64)
            mine.edit(Run, a_run.id, lambda run: run.model_copy(update={"status": "completed"}))
            turns.post(mine, message(a_thread), lambda thread: thread, wait=False)
            for _ in range(2):  # the second waits
                turns.open_run(mine, run(a_thread), [message(a_thread)], lambda thread: thread, wait=True)
            turns.put(mine, [a_message, step(a_run), cell(step(a_run)), run(a_thread, "completed")])
            mine.drop(Message, a_message.id, a_thread.id)
        engine.dispose()

    await to_thread.run_sync(look_up)
    assert len(plans) > 40
    assert [plan for plan in plans if plan.startswith("SCAN")] == []


WRITER = """
import sys, anyio
from kernelci.protocol.objects import Message, Run, Thread
from kernelci.store.store import SqlStore

async def main():
    async with SqlStore(sys.argv[1]) as store:
        for number in range(100_000):
            thread = Thread(id=f"thread_{number}", created_at=1)
            await store.put(thread)
            run = Run(id=f"run_{number}", created_at=1, thread_id=thread.id, assistant_id="asst_1", model="m")
            message = Message(id=f"msg_{number}", created_at=1, thread_id=thread.id, role="user")
            await store.open_run(run, [message], lambda thread: thread)
            print(number, flush=True)

anyio.run(main)
"""


async def test_what_was_acknowledged_outlives_a_kill(path: Path) -> None:
    url = f"sqlite:///{path}"
    acknowledged = 0
    async with await anyio.open_process([sys.executable, "-c", WRITER, url], stderr=sys.stderr) as process:
        assert process.stdout is not None
        async for lines in process.stdout:
            acknowledged += lines.count(b"\n")
            if acknowledged >= 40:
                break
        process.kill()
        async for lines in process.stdout:
            acknowledged += lines.count(b"\n")
        assert await process.wait() == -9
    async with SqlStore(url) as store:
        for number in range(acknowledged):
            await store.get(Thread, f"thread_{number}")
            await store.get(Run, f"run_{number}")
            await store.get(Message, f"msg_{number}")
        opened = await store.active_runs()
        assert len(opened) in (acknowledged, acknowledged + 1)
        for a_run in opened:
            assert len(await store.all(Message, within=a_run.thread_id)) == 1, "a run and its messages are one"
        await store.put(thread())


async def test_logging_is_left_alone(path: Path) -> None:
    program = (
        "import anyio, logging, sys\n"
        "from kernelci.store.store import SqlStore\n"
        "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(name)s')\n"
        "before = [logging.getLogger().level, *logging.getLogger().handlers]\n"
        "async def main():\n"
        f"    async with SqlStore('sqlite:///{path}'): pass\n"
        "anyio.run(main)\n"
        "assert before == [logging.getLogger().level, *logging.getLogger().handlers]\n"
        "assert not logging.getLogger('kernelci.store').disabled\n"
    )
    await anyio.run_process([sys.executable, "-c", program], stderr=subprocess.PIPE)


async def test_many_messages_take_few_statements(path: Path) -> None:
    a_thread = thread()
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        executed.append(statement)

    def work(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", note)
        Rows(connection).add([a_thread, *(message(a_thread) for _ in range(1000))])

    database = await Database.open(f"sqlite:///{path}")
    await database.write(work)
    await database.close()
    assert len(executed) == 4, "for each kind the numbers and the rows"
