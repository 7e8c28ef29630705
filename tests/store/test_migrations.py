"""A data folder that any older kernelci has written is served by this one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from anyio import to_thread
from sqlalchemy import create_engine

from kernelci.engine.ports.store import Page
from kernelci.protocol.objects import File, Message, Thread
from kernelci.store import migrations
from kernelci.store.folder import VERSION, DataFolder
from kernelci.store.store import SqlStore

CONTENT: dict[str, dict[str, object]] = {
    "threads": {"id": "thread_1", "seq": 1},
    "messages": {"id": "msg_1", "seq": 2, "thread_id": "thread_1", "status": "completed", "role": "user"},
    "files": {
        "id": "file-1",
        "seq": 3,
        "purpose": "assistants",
        "blob": "0" * 64,
        "bytes": 1,
        "filename": "נתונים.csv",
    },
}
"""A row of each table, as the first version wrote them: columns, and whole as `doc`."""


def as_it_was(folder: Path, version: int) -> None:
    """Make the data folder of that version, with the rows that the first one wrote."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(f"sqlite:///{folder / 'kernelci.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, f"{version:04}")
        for table, row in CONTENT.items():
            doc = {**row, "created_at": 1}
            columns = {name: value for name, value in doc.items() if name not in {"role", "bytes", "filename"}}
            columns |= {"metadata": '{"kept": "yes"}', "doc": json.dumps(doc)}
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            connection.exec_driver_sql(insert, tuple(columns.values()))
        connection.exec_driver_sql("UPDATE counter SET value = 3")
    engine.dispose()
    (folder / "version").write_text(f"{version}\n")


@pytest.mark.parametrize("version", range(1, VERSION + 1))
async def test_it_comes_up_with_what_is_in_it(tmp_path: Path, version: int) -> None:
    await to_thread.run_sync(as_it_was, tmp_path, version)
    async with DataFolder(tmp_path) as folder, SqlStore(folder.url) as store:
        (a_file,) = (await store.page(File, Page())).data
        (a_message,) = await store.all(Message, within="thread_1")
        assert (a_file.filename, a_message.metadata) == ("נתונים.csv", {"kept": "yes"})
        new = Thread(id="thread_2", created_at=2)
        await store.put(new)
        assert [each.id for each in (await store.page(Thread, Page())).data] == ["thread_2", "thread_1"]
    assert (tmp_path / "version").read_text() == f"{VERSION}\n"
    copies = list(tmp_path.glob("kernelci.2*.db"))
    assert len(copies) == (version < VERSION), "what a migration changes is copied before"
    for copy in copies:
        with closing(sqlite3.connect(copy)) as database:
            assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(f"{version:04}",)]
