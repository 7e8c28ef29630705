"""What every Store has to do, whatever it keeps its objects in.

class TestMyStore(StoreConformance):
    @pytest.fixture
    async def store(self): ...
"""

from __future__ import annotations

from typing import Literal

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.engine.ports.store import Page, Store
from kernelci.errors import IllegalMove, InvalidRequest, NotFound, ThreadBusy
from kernelci.protocol import ids
from kernelci.protocol.excerpts import Excerpt
from kernelci.protocol.objects import (
    Assistant,
    Cell,
    CodeCall,
    CodeRun,
    File,
    FileId,
    Image,
    Logs,
    Message,
    Object,
    Run,
    RunStep,
    Thread,
    ToolCalls,
)
from kernelci.protocol.states import ACTIVE, RunStatus
from kernelci.protocol.uploads import Upload, UploadPart
from tests.conformance.objects import assistant, cell, file, message, named, part, run, step, thread, upload


def same(thread: Thread) -> Thread:
    return thread


class StoreConformance:
    async def test_gives_back_what_was_put(self, store: Store) -> None:
        a_thread = thread(metadata={"a": "b"})
        a_run = run(a_thread, "completed", instructions="שלום", completed_at=3)
        a_step = step(a_run)
        objects: list[Object] = [
            assistant(name="\N{PILE OF POO}", tools=({"type": "code_interpreter"},)),
            a_thread,
            message(a_thread, "half of a pair: \ud83d", metadata={"k": "\0"}),
            a_run,
            a_step,
            cell(a_step, outputs=({"output_type": "stream", "name": "stdout", "text": "\x00\udcff\u2028"},)),
            file(filename='שם "מוזר".csv'),
            an_upload := upload(),
            part(an_upload),
        ]
        await store.put(*objects)
        assert [await store.get(type(each), each.id) for each in objects] == objects

    async def test_put_replaces_all_but_the_metadata(self, store: Store) -> None:
        first = assistant(name="first", metadata={"kept": "yes"})
        await store.put(first, assistant())
        await store.put(first.model_copy(update={"name": "second", "metadata": {"kept": "no"}}))
        second = await store.get(Assistant, first.id)
        assert (second.name, second.metadata) == ("second", {"kept": "yes"})
        assert (await store.page(Assistant, Page(order="asc"))).data[0].id == first.id, "it keeps its place"

    async def test_edit_changes_the_metadata_too(self, store: Store) -> None:
        first = assistant(metadata={"a": "1"})
        await store.put(first)
        edited = await store.edit(
            Assistant,
            first.id,
            lambda old: old.model_copy(update={"name": "n", "metadata": old.metadata | {"b": "2"}}),
        )
        assert edited == await store.get(Assistant, first.id)
        assert (edited.name, edited.metadata) == ("n", {"a": "1", "b": "2"})

    async def test_an_edit_that_raises_changes_nothing(self, store: Store) -> None:
        first = assistant(name="first")
        await store.put(first)

        def refuse(_: Assistant) -> Assistant:
            raise IllegalMove

        with pytest.raises(IllegalMove):
            await store.edit(Assistant, first.id, refuse)
        assert await store.get(Assistant, first.id) == first
        await store.put(assistant())  # and the next writer gets its turn

    async def test_an_edit_adds_all_or_nothing(self, store: Store) -> None:
        an_upload, a_file = upload(), file()
        await store.put(an_upload)
        done = await store.edit(
            Upload, an_upload.id, lambda old: old.model_copy(update={"file": a_file}), adding=[a_file]
        )
        assert done.file == a_file == await store.get(File, a_file.id)

        def refuse(_: Upload) -> Upload:
            raise IllegalMove

        a_part = part(an_upload)
        with pytest.raises(IllegalMove):
            await store.edit(Upload, an_upload.id, refuse, adding=[a_part])
        with pytest.raises(NotFound):
            await store.edit(Upload, "upload_x", lambda old: old, adding=[a_part])
        assert await store.all(UploadPart, within=an_upload.id) == ()

    async def test_what_is_past_its_time_is_gone(self, store: Store) -> None:
        now = ids.now()
        for_ever, for_long, over = file(), file(expires_at=now + 60), file(expires_at=now - 1)
        old = upload()
        await store.put(for_ever, for_long, over, old, part(old))
        await store.put(old.model_copy(update={"expires_at": now}))
        assert named((await store.page(File, Page(order="asc"))).data) == [for_ever.id, for_long.id]
        with pytest.raises(InvalidRequest):
            await store.page(File, Page(after=over.id))
        lost: list[tuple[type[Object], str]] = [(File, over.id), (Upload, old.id)]
        for kind, id in lost:
            assert await store.find(kind, id) is None
            with pytest.raises(NotFound):
                await store.edit(kind, id, lambda old: old)
            with pytest.raises(NotFound):
                await store.drop(kind, id)
        with pytest.raises(NotFound, match=f"No upload found with id '{old.id}'"):
            await store.put(part(old))

    async def test_edits_at_once_lose_nothing(self, store: Store) -> None:
        a_thread = thread(metadata={"count": "0"})
        await store.put(a_thread)

        def one_more(old: Thread) -> Thread:
            return old.model_copy(update={"metadata": {"count": str(int(old.metadata["count"]) + 1)}})

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(store.edit, Thread, a_thread.id, one_more)
        assert (await store.get(Thread, a_thread.id)).metadata == {"count": "20"}

    @pytest.mark.parametrize(
        ("kind", "noun"),
        [
            (Assistant, "assistant"),
            (Thread, "thread"),
            (Message, "message"),
            (Run, "run"),
            (RunStep, "run step"),
            (File, "file"),
        ],
    )
    async def test_says_what_is_missing(self, store: Store, kind: type[Object], noun: str) -> None:
        assert await store.find(kind, "x") is None
        for lookup in (store.get(kind, "x"), store.drop(kind, "x"), store.edit(kind, "x", lambda old: old)):
            with pytest.raises(NotFound) as caught:
                await lookup
            assert caught.value.message == f"No {noun} found with id 'x'."

    @pytest.mark.parametrize("id", ["", "\ud800", "a\0b", "x' OR 1=1 --", "🦜" * 2000])
    async def test_any_text_may_be_asked_for(self, store: Store, id: str) -> None:
        await store.put(assistant(), file())
        assert await store.find(Assistant, id) is None
        assert await store.find(Message, "x", within=id) is None
        assert (await store.page(File, Page(), purpose=id)).data == ()
        with pytest.raises(InvalidRequest):
            await store.page(Assistant, Page(after=id))

    async def test_an_object_is_found_only_where_it_belongs(self, store: Store) -> None:
        here, there = thread(), thread()
        a_message, a_run, other_run = message(here), run(here, "completed"), run(there, "completed")
        a_step = step(a_run)
        a_cell = cell(a_step)
        await store.put(here, there, a_message, a_run, other_run, a_step, a_cell)
        belongs: list[tuple[Object, Object]] = [
            (a_message, here),
            (a_run, here),
            (a_step, a_run),
            (a_step, here),
            (a_cell, a_run),
            (a_cell, here),
        ]
        for each, parent in belongs:
            assert await store.get(type(each), each.id, within=parent.id) == each
            for stranger in (there, other_run):
                assert await store.find(type(each), each.id, within=stranger.id) is None
                with pytest.raises(NotFound):
                    await store.edit(type(each), each.id, lambda old: old, within=stranger.id)
                with pytest.raises(NotFound):
                    await store.drop(type(each), each.id, within=stranger.id)
            assert await store.all(type(each), within=parent.id) == (each,)

    async def test_an_owner_finds_nothing_of_another(self, store: Store) -> None:
        mine, theirs = store.of("mine"), store.of("theirs")
        a_thread = thread()
        a_run = run(a_thread, owner="mine")
        a_step = step(a_run)
        objects: list[Object] = [assistant(), file(), a_thread, message(a_thread), a_run, a_step, cell(a_step)]
        await mine.put(*objects)
        for each in objects:
            kind, id = type(each), each.id
            assert await mine.get(kind, id) == await store.get(kind, id) == each
            assert await theirs.find(kind, id) is None
            assert named((await mine.page(kind, Page())).data) == [id]
            assert (await theirs.page(kind, Page())).data == ()
            for lookup in (theirs.get(kind, id), theirs.drop(kind, id), theirs.edit(kind, id, lambda old: old)):
                with pytest.raises(NotFound):
                    await lookup
            with pytest.raises(InvalidRequest):
                await theirs.page(kind, Page(after=id))
        for each in objects[3:]:
            assert await mine.all(type(each), within=a_thread.id) == (each,)
            assert await theirs.all(type(each), within=a_thread.id) == ()
        with pytest.raises(NotFound, match=f"No thread found with id '{a_thread.id}'"):
            await theirs.conversation(a_thread.id, Message)
        assert (await store.active_runs(), await theirs.active_runs()) == ((a_run,), ())

    async def test_what_belongs_to_a_thread_is_its_owners(self, store: Store) -> None:
        mine, theirs = store.of("mine"), store.of("theirs")
        a_thread = thread()
        await mine.put(a_thread)
        for refused in (
            theirs.put(message(a_thread)),
            theirs.post(message(a_thread), same),
            theirs.open_run(run(a_thread), [], same),
        ):
            with pytest.raises(NotFound, match=f"No thread found with id '{a_thread.id}'"):
                await refused
        late = message(a_thread)
        await store.put(late)  # as somebody who works for all
        assert await mine.all(Message, within=a_thread.id) == (late,)
        opened = run(a_thread)
        await mine.open_run(opened, [], same)
        assert (await mine.get(Run, opened.id)).owner == mine.owner == "mine"
        with pytest.raises(ThreadBusy):
            await mine.post(message(a_thread), same)

    async def test_nobody_owns_bytes(self, store: Store) -> None:
        mine, theirs, blob = file(blob="b" * 64), file(blob="b" * 64), "b" * 64
        await store.of("mine").put(mine)
        await store.of("theirs").put(theirs)
        await store.of("mine").drop(File, mine.id)
        assert await store.of("mine").holds(blob), "the other's file has them"
        await store.of("theirs").drop(File, theirs.id)
        assert not await store.holds(blob)

    async def test_dropping_a_thread_drops_all_of_it_and_nothing_else(self, store: Store) -> None:
        gone, stays = thread(), thread()
        objects: dict[str, list[Object]] = {}
        for each in (gone, stays):
            a_run = run(each)
            a_step = step(a_run)
            objects[each.id] = [each, message(each), a_run, a_step, cell(a_step)]
            await store.put(*objects[each.id])
        assert await store.drop(Thread, gone.id) == gone
        assert [await store.find(type(each), each.id) for each in objects[gone.id]] == [None] * 5
        assert [await store.find(type(each), each.id) for each in objects[stays.id]] == objects[stays.id]
        assert named(await store.active_runs()) == [objects[stays.id][2].id]

    async def test_dropping_a_run_drops_its_steps_and_cells(self, store: Store) -> None:
        a_thread = thread()
        a_run = run(a_thread)
        a_message, a_step = message(a_thread, run_id=a_run.id), step(a_run)
        a_cell = cell(a_step)
        await store.put(a_thread, a_run, a_message, a_step, a_cell)
        await store.drop(Run, a_run.id)
        assert await store.find(RunStep, a_step.id) is None
        assert await store.find(Cell, a_cell.id) is None
        assert await store.get(Message, a_message.id) == a_message

    async def test_nothing_new_for_a_parent_that_is_gone(self, store: Store) -> None:
        a_thread = thread()
        a_run = run(a_thread, "completed")
        await store.put(a_thread, a_run)
        await store.drop(Run, a_run.id)
        with pytest.raises(NotFound, match=f"No run found with id '{a_run.id}'"):
            await store.put(step(a_run))
        await store.drop(Thread, a_thread.id)
        with pytest.raises(NotFound, match=f"No thread found with id '{a_thread.id}'"):
            await store.put(assistant(), message(a_thread))
        with pytest.raises(NotFound, match=f"No thread found with id '{a_thread.id}'"):
            await store.add(assistant(), message(a_thread))
        assert (await store.page(Assistant, Page())).data == (), "all of a put, or nothing"

    async def test_what_is_added_at_once_comes_in_the_order_in_which_it_is_given(self, store: Store) -> None:
        a_thread = thread()
        objects = [message(a_thread, str(number), metadata={"n": str(number)}) for number in range(30)]
        a_run = run(a_thread)
        await store.of("mine").add(a_thread, *objects[:20], a_run, *objects[20:])
        assert await store.of("mine").conversation(a_thread.id, Message) == tuple(objects)
        assert named(await store.conversation(a_thread.id, Message, Run))[19:22] == [
            objects[19].id,
            a_run.id,
            objects[20].id,
        ]
        assert await store.of("theirs").find(Message, objects[0].id) is None

    async def test_posting_waits_for_no_run(self, store: Store) -> None:
        a_thread = thread()
        first, second = message(a_thread, "1"), message(a_thread, "2")
        await store.put(a_thread)
        await store.post(first, lambda old: old.model_copy(update={"metadata": {"posted": "1"}}))
        assert (await store.get(Thread, a_thread.id)).metadata == {"posted": "1"}
        a_run = run(a_thread)
        await store.open_run(a_run, [], same)
        with pytest.raises(ThreadBusy) as caught:
            await store.post(second, lambda old: old.model_copy(update={"metadata": {"posted": "2"}}))
        assert caught.value.message == f"Can't add messages to {a_thread.id} while a run {a_run.id} is active."
        assert (await store.get(Thread, a_thread.id)).metadata == {"posted": "1"}
        assert await store.all(Message, within=a_thread.id) == (first,)
        with pytest.raises(NotFound, match="No thread found with id"):
            await store.post(message(thread()), same)

    @pytest.mark.parametrize("status", sorted(ACTIVE))
    async def test_a_thread_has_one_active_run(self, store: Store, status: RunStatus) -> None:
        a_thread = thread()
        first, second = run(a_thread, status), run(a_thread)
        await store.put(a_thread, first)
        busy = f"Thread {a_thread.id} already has an active run {first.id}."
        with pytest.raises(ThreadBusy) as caught:
            await store.open_run(second, [message(a_thread)], same)
        assert caught.value.message == busy
        with pytest.raises(ThreadBusy) as caught:
            await store.put(second)
        assert caught.value.message == busy
        assert await store.all(Message, within=a_thread.id) == ()
        await store.put(first.model_copy(update={"status": "failed"}))
        asked = message(a_thread)
        await store.open_run(second, [asked], same)
        assert named(await store.conversation(a_thread.id, Message, Run)) == [first.id, asked.id, second.id]
        with pytest.raises(NotFound, match="No thread found with id"):
            await store.open_run(run(thread()), [], same)

    async def test_of_two_runs_opened_at_once_one_wins(self, store: Store) -> None:
        for _ in range(5):
            a_thread = thread()
            await store.put(a_thread)
            refused: list[str] = []

            async def open_one(a_run: Run, refused: list[str] = refused) -> None:
                try:
                    await store.open_run(a_run, [], same)
                except ThreadBusy:
                    refused.append(a_run.id)

            both = [run(a_thread), run(a_thread)]
            async with anyio.create_task_group() as tasks:
                for each in both:
                    tasks.start_soon(open_one, each)
            won = await store.all(Run, within=a_thread.id)
            assert len(won) == 1
            assert {*refused, won[0].id} == {*named(both)}

    async def test_knows_the_active_runs(self, store: Store) -> None:
        statuses: list[RunStatus] = [
            "completed",
            "queued",
            "failed",
            "in_progress",
            "requires_action",
            "cancelling",
        ]
        runs: list[Run] = []
        for status in statuses:
            a_thread = thread()
            runs.append(run(a_thread, status))
            await store.put(a_thread, runs[-1])
        assert await store.active_runs() == (runs[1], *runs[3:])

    async def test_a_brief_conversation_leaves_out_logs_of_which_there_are_excerpts(self, store: Store) -> None:
        a_run = run(a_thread := thread(), "completed")
        outputs = (Logs(logs="x" * 100_000), Image(image=FileId(file_id="file-1")))
        long, short = (
            CodeCall(id=f"call_{at}", code_interpreter=CodeRun(input="1", outputs=outputs)) for at in range(2)
        )
        made = step(a_run).model_copy(
            update={
                "step_details": ToolCalls(tool_calls=(long, short)),
                "excerpts": {long.id: Excerpt(head="x", tail="x", rows=334, characters=100_000)},
            }
        )
        plain = step(a_run)
        await store.put(a_thread, a_run, made, plain)
        assert await store.conversation(a_thread.id, RunStep) == (made, plain)
        brief, same = await store.conversation(a_thread.id, RunStep, brief=True)
        cut = long.model_copy(update={"code_interpreter": CodeRun(input="1", outputs=outputs[1:])})
        assert brief == made.model_copy(update={"step_details": ToolCalls(tool_calls=(cut, short))})
        assert same == plain
        assert await store.get(RunStep, made.id) == made
        await store.put(whole := made.model_copy(update={"excerpts": {}}))
        assert (await store.conversation(a_thread.id, RunStep, brief=True))[0] == whole

    async def test_a_conversation_is_in_order_of_creation(self, store: Store) -> None:
        a_thread, other = thread(), thread()
        a_run = run(a_thread)
        a_step = step(a_run)
        said: list[Message | Cell] = [message(a_thread, "?"), cell(a_step), cell(a_step), message(a_thread, "!")]
        await store.put(a_thread, other, a_run, a_step, message(other))
        for each in said:
            await store.put(each)
        await store.put(*reversed(said))  # replaced, which moves nothing
        assert await store.conversation(a_thread.id, Message, Cell) == tuple(said)
        assert await store.conversation(a_thread.id, Message) == (said[0], said[3])
        with pytest.raises(NotFound):
            await store.conversation("thread_x", Message, Cell)

    async def test_knows_whether_bytes_are_a_files(self, store: Store) -> None:
        blob = "a" * 64
        first, second = file(blob=blob), file(blob=blob)
        assert not await store.holds(blob)
        await store.put(first, second)
        await store.drop(File, first.id)
        assert await store.holds(blob)
        await store.drop(File, second.id)
        assert not await store.holds(blob)

    async def test_a_list_can_be_narrowed(self, store: Store) -> None:
        a_thread = thread()
        mine, theirs = message(a_thread, run_id="run_1"), message(a_thread)
        asked, made = file(), file(purpose="assistants_output")
        await store.put(a_thread, mine, theirs, asked, made)
        assert named((await store.page(File, Page(), purpose="assistants_output")).data) == [made.id]
        assert named((await store.page(Message, Page(), within=a_thread.id, run_id="run_1")).data) == [mine.id]
        with pytest.raises(InvalidRequest) as caught:
            await store.page(File, Page(after=asked.id), purpose="assistants_output")
        assert caught.value.param == "after"
        with pytest.raises(InvalidRequest) as caught:
            await store.page(Message, Page(before=mine.id), within="thread_x")
        assert caught.value.param == "before"

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        count=st.integers(0, 12),
        limit=st.integers(1, 14),
        order=st.sampled_from(["asc", "desc"]),
        cursors=st.tuples(st.none() | st.integers(0, 11), st.none() | st.integers(0, 11)),
    )
    async def test_pages_as_a_list_would(
        self, store: Store, count: int, limit: int, order: Literal["asc", "desc"], cursors: tuple[int | None, ...]
    ) -> None:
        a_thread = thread()
        messages = [message(a_thread, str(number)) for number in range(count)]
        await store.put(a_thread, *messages)
        after, before = (messages[at % count].id if at is not None and count else None for at in cursors)
        page = Page(limit=limit, order=order, after=after, before=before)
        listed = named(messages) if page.order == "asc" else named(messages)[::-1]
        start = listed.index(page.after) + 1 if page.after else 0
        end = listed.index(page.before) if page.before else len(listed)
        between = listed[start:end]
        backwards = page.before is not None and page.after is None
        expected = between[-page.limit :] if backwards else between[: page.limit]
        shown = await store.page(Message, page, within=a_thread.id)
        assert named(shown.data) == expected
        assert shown.has_more == (len(between) > page.limit)

    async def test_a_list_walked_by_pages_is_whole(self, store: Store) -> None:
        a_thread = thread()
        messages = [message(a_thread) for _ in range(7)]
        await store.put(a_thread, *messages)
        seen: list[str] = []
        shown = await store.page(Message, Page(limit=3), within=a_thread.id)
        while shown.data:
            seen += named(shown.data)
            await store.put(message(a_thread))  # newer than the first page: not seen, and not in the way
            shown = await store.page(Message, Page(limit=3, after=seen[-1]), within=a_thread.id)
        assert seen == named(messages)[::-1]
