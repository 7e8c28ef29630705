from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import anyio
import nbformat
import pytest

from kernelci.engine.ports.transcripts import Transcripts
from kernelci.errors import NotFound
from kernelci.protocol.objects import Cell, Message
from kernelci.transcripts.writer import DRAFT, KEPT, NotebookWriter
from tests.conformance.objects import cell, message, run, step, thread
from tests.transcripts.conftest import Stored

THREAD = thread(id="thread_1")
STEP = step(run(THREAD))
SAID = [message(THREAD, "?"), cell(STEP), message(THREAD, "!", role="assistant")]


def sources(writer: NotebookWriter, thread_id: str = "thread_1") -> list[str]:
    notebook = nbformat.read(writer.path(thread_id), as_version=4)
    nbformat.validate(notebook)
    return [each["source"] for each in notebook["cells"]]


async def test_what_was_put_is_there_when_it_is_settled(writer: NotebookWriter, stored: Stored) -> None:
    transcripts: Transcripts = writer
    for each in SAID:
        stored.threads["thread_1"].append(each)
        transcripts.put("thread_1", each)
        await transcripts.settled("thread_1")
        assert len(sources(writer)) == len(stored.threads["thread_1"])
    assert sources(writer) == ["**User**\n\n?", "1", "**Assistant**\n\n!"]
    assert stored.reads == ["thread_1"], "the store is read once"
    assert stat.S_IMODE(writer.path("thread_1").stat().st_mode) == 0o600
    assert [path.name for path in writer.path("thread_1").parent.iterdir()] == ["thread_1.ipynb"]


async def test_many_puts_are_written_together(writer: NotebookWriter, stored: Stored) -> None:
    many = [message(THREAD, str(number)) for number in range(200)]
    stored.threads["thread_1"] += many
    for each in many:
        writer.put("thread_1", each)
    await writer.settled("thread_1")
    assert sources(writer) == [f"**User**\n\n{number}" for number in range(200)]


async def test_nothing_is_written_before_somebody_waits_or_a_moment_is_over(tmp_path: Path, stored: Stored) -> None:
    async with NotebookWriter(tmp_path, stored.load, moment=3600) as writer:
        for each in SAID:
            stored.threads["thread_1"].append(each)
            writer.put("thread_1", each)
            await anyio.wait_all_tasks_blocked()
            assert not writer.path("thread_1").exists()
        await writer.settled("thread_1")
        assert len(sources(writer)) == 3
        writer.put("thread_1", message(THREAD, "changed", id=SAID[0].id))
    assert "changed" in sources(writer)[0], "leaving waits for nothing more"
    async with NotebookWriter(tmp_path, stored.load, moment=0.001) as writer:
        writer.path("thread_1").unlink()
        writer.put("thread_1", SAID[0])
        with anyio.fail_after(20):
            while not writer.path("thread_1").exists():
                await anyio.sleep(0.01)  # polled: nobody waits for this writing, which is the point


async def test_putting_again_replaces(writer: NotebookWriter, stored: Stored) -> None:
    stored.threads["thread_1"] += SAID
    writer.put("thread_1", *SAID)
    await writer.settled("thread_1")
    before = writer.path("thread_1").read_bytes()
    writer.put("thread_1", *reversed(SAID))
    await writer.settled("thread_1")
    assert writer.path("thread_1").read_bytes() == before
    writer.put("thread_1", message(THREAD, "changed", id=SAID[0].id))
    await writer.settled("thread_1")
    assert sources(writer) == ["**User**\n\nchanged", "1", "**Assistant**\n\n!"]


async def test_a_lost_notebook_comes_back_as_it_was(tmp_path: Path, stored: Stored) -> None:
    folder = tmp_path / "notebooks"
    async with NotebookWriter(folder, stored.load) as writer:
        for each in SAID:
            stored.threads["thread_1"].append(each)
            writer.put("thread_1", each)
            await writer.settled("thread_1")
        path = writer.path("thread_1")
        original = path.read_bytes()
        path.unlink()
        await writer.settled("thread_1")
        assert path.read_bytes() == original
        path.unlink()
    async with NotebookWriter(folder, stored.load) as writer:
        await writer.settled("thread_1")
        assert path.read_bytes() == original


async def test_a_notebook_that_a_crash_left_behind_is_brought_up_to_date(
    writer: NotebookWriter, stored: Stored
) -> None:
    stored.threads["thread_1"] += SAID
    writer.path("thread_1").write_text("half of wh")
    await writer.settled("thread_1")
    assert len(sources(writer)) == 3


async def test_an_empty_thread_has_a_notebook(writer: NotebookWriter) -> None:
    await writer.settled("thread_1")
    assert sources(writer) == []


async def test_a_settled_notebook_is_left_alone(writer: NotebookWriter, stored: Stored) -> None:
    stored.threads["thread_1"] += SAID
    await writer.settled("thread_1")
    before = writer.path("thread_1").stat()
    await writer.settled("thread_1")
    after = writer.path("thread_1").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_what_is_put_while_the_store_is_read_is_not_lost(tmp_path: Path, stored: Stored) -> None:
    reading, go_on = anyio.Event(), anyio.Event()

    async def slow(thread_id: str) -> Sequence[Message | Cell]:
        found = await stored.load(thread_id)
        reading.set()
        await go_on.wait()
        return found

    async with NotebookWriter(tmp_path, slow) as writer:
        stored.threads["thread_1"].append(SAID[0])
        writer.put("thread_1", SAID[0])
        await reading.wait()
        stored.threads["thread_1"] += SAID[1:]
        writer.put("thread_1", *SAID[1:])
        go_on.set()
        await writer.settled("thread_1")
        assert len(sources(writer)) == 3


async def test_leaving_writes_what_is_left(tmp_path: Path, stored: Stored) -> None:
    stored.threads["thread_1"] += SAID
    async with NotebookWriter(tmp_path, stored.load) as writer:
        writer.put("thread_1", *SAID)
    assert len(sources(writer)) == 3


async def test_a_reader_never_sees_half(writer: NotebookWriter, stored: Stored) -> None:
    sizes: set[int] = set()
    done = anyio.Event()

    async def read() -> None:
        while not done.is_set():
            path = writer.path("thread_1")
            if path.exists():
                sizes.add(len(json.loads(path.read_bytes())["cells"]))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        for number in range(40):
            stored.threads["thread_1"].append(message(THREAD, "x" * 10_000))
            writer.put("thread_1", stored.threads["thread_1"][-1])
            if number % 4 == 0:
                await writer.settled("thread_1")
        await writer.settled("thread_1")
        done.set()
    assert sizes <= set(range(1, 41))
    assert len(sizes) > 1


async def test_a_full_disk_is_told_and_got_over(
    writer: NotebookWriter, stored: Stored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stored.threads["thread_1"].append(SAID[0])
    writer.put("thread_1", SAID[0])
    await writer.settled("thread_1")
    before = writer.path("thread_1").read_bytes()
    stored.threads["thread_1"] += SAID[1:]
    with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
        patched.setattr(os, "fsync", full)
        writer.put("thread_1", *SAID[1:])
        await writer.settled("thread_1")
    (record,) = caplog.records
    assert record.action == "notebook_not_written"  # pyright: ignore[reportAttributeAccessIssue]
    assert "thread_1" in record.message
    assert "No space left on device" in record.message
    assert writer.path("thread_1").read_bytes() == before
    assert not list(writer.path("thread_1").parent.glob(DRAFT + "*"))
    later = message(THREAD, "later")
    stored.threads["thread_1"].append(later)
    writer.put("thread_1", later)
    await writer.settled("thread_1")
    assert len(sources(writer)) == 4


async def test_a_store_that_fails_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: str) -> Sequence[Message | Cell]:
        raise RuntimeError("what the message said")

    with caplog.at_level(logging.INFO):
        async with NotebookWriter(tmp_path, broken) as writer:
            await writer.settled("thread_1")
    assert "RuntimeError" in caplog.text
    assert "what the message said" not in caplog.text


async def test_a_deleted_thread_leaves_no_notebook(writer: NotebookWriter, stored: Stored) -> None:
    stored.threads["thread_1"] += SAID
    writer.put("thread_1", *SAID)
    del stored.threads["thread_1"]
    await writer.drop("thread_1")
    assert not writer.path("thread_1").exists()
    writer.put("thread_1", SAID[0])  # the last word of a run that was just stopped
    await writer.settled("thread_1")
    await writer.drop("thread_1")
    assert list(writer.path("thread_1").parent.iterdir()) == []


async def test_threads_are_written_side_by_side_and_forgotten_in_turn(
    writer: NotebookWriter, stored: Stored
) -> None:
    names = [f"thread_{number}" for number in range(KEPT + 8)]
    for name in names:
        stored.threads[name] = [message(THREAD, name)]
        writer.put(name, *stored.threads[name])
    for name in names:
        await writer.settled(name)
    assert [sources(writer, name) for name in names] == [[f"**User**\n\n{name}"] for name in names]
    before = len(stored.reads)
    await writer.settled(names[-1])
    assert stored.reads[before:] == [], "what was used last is remembered"
    await writer.settled(names[0])
    assert stored.reads[before:] == [names[0]]


async def test_long_notebooks_are_forgotten_sooner_but_for_the_last(tmp_path: Path, stored: Stored) -> None:
    names = ["small", "long", "longer", "longest"]
    async with NotebookWriter(tmp_path, stored.load, held=50_000) as writer:
        for factor, name in enumerate(names):
            stored.threads[name] = [message(THREAD, "x" * 20_000 * factor)]
            await writer.settled(name)
        for name in reversed(names):
            writer.put(name, message(THREAD, "?"))
            await writer.settled(name)
    assert stored.reads == [*names, "longer", "long", "small"], (
        "the longest is more than all may have, and is there"
    )


@pytest.mark.parametrize("id", ["", "../x", "a/b", "a\0b", "x.y", "תיק"])
async def test_only_an_id_has_a_path(writer: NotebookWriter, id: str) -> None:
    with pytest.raises(NotFound):
        writer.path(id)
    with pytest.raises(NotFound):
        await writer.drop(id)


async def test_drafts_of_a_crash_are_cleared_away(tmp_path: Path, stored: Stored) -> None:
    (tmp_path / f"{DRAFT}0123").write_text("half of wh")
    (tmp_path / "thread_9.ipynb").write_text("{}")
    async with NotebookWriter(tmp_path, stored.load):
        assert [path.name for path in tmp_path.iterdir()] == ["thread_9.ipynb"]
