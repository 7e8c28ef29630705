"""A thread's run told again from a place in it: as it was recorded, or as it is stored where that is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from kernelci.engine.events import (
    ApprovalAsked,
    CallAnswered,
    CallDelta,
    CodeDelta,
    Event,
    MessageMoved,
    MessageOpened,
    OutputDelta,
    Recorded,
    RunMoved,
    StepMoved,
    StepOpened,
    TextDelta,
)
from kernelci.engine.offered import functions_of
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.store import Page, Store
from kernelci.protocol.objects import ClientCall, CodeCall, Message, MessageCreation, Run, RunStep, ToolCalls
from kernelci.protocol.parts import ImageFilePart, TextPart

_DIGITS = 18

_ENDS = ("completed_at", "cancelled_at", "failed_at", "last_error", "usage")
_RUN_BEFORE_ITS_END = dict.fromkeys((*_ENDS, "required_action", "incomplete_details"))
_STEP_BEFORE_ITS_END = {**dict.fromkeys((*_ENDS, "expired_at")), "status": "in_progress"}
_MESSAGE_BEFORE_ITS_END = {
    **dict.fromkeys(("completed_at", "incomplete_at", "incomplete_details")),
    "status": "in_progress",
    "content": (),
    "attachments": (),
}


@dataclass(frozen=True, slots=True)
class Retold:
    """What a reader is told: `told`, after `seen`, which it knows already of the step that was open then."""

    seen: Sequence[Recorded]
    told: AsyncIterator[Recorded]


async def retold_after(seen: str, thread_id: str, *, store: Store, bus: Bus) -> Retold:
    """What a thread's runs did after the event of that id, up to where its newest run ends or waits.

    An id is `EPOCH.RUN.NUMBER`. One of another epoch means its run's beginning, any other the newest run's.
    """
    run = await _run_of(seen, thread_id, store)
    if run is None:
        newest = (await store.page(Run, Page(limit=1), within=thread_id)).data
        return Retold((), _one_after_the_other(newest, store, bus))
    after = _place(seen, run, bus)
    kept, told = bus.kept(run.id), _retold(run, after, store, bus)
    later = await store.page(Run, Page(limit=100, order="asc", after=run.id), within=thread_id)
    return Retold(
        await _seen(run, after, kept, store), _chained(told, _one_after_the_other(later.data, store, bus))
    )


async def _one_after_the_other(runs: Sequence[Run], store: Store, bus: Bus) -> AsyncIterator[Recorded]:
    for run in runs:
        async for recorded in _retold(run, 0, store, bus):
            yield recorded


async def _chained(*parts: AsyncIterator[Recorded]) -> AsyncIterator[Recorded]:
    for part in parts:
        async for recorded in part:
            yield recorded


async def _seen(run: Run, after: int, kept: Sequence[Recorded], store: Store) -> Sequence[Recorded]:
    """What the reader has been told of the step that was open when it left, with the last event that it knows."""
    told = [each for each in kept if each.seq <= after] if after else []
    for at in reversed(range(len(told))):
        if isinstance(told[at].event, StepOpened):
            return told[at:]
    begun_earlier = after and not kept[0].first
    return [*(await _from_store(run, store, kept)), *told] if begun_earlier else told


async def _run_of(seen: str, thread_id: str, store: Store) -> Run | None:
    run_id = seen.partition(".")[2].partition(".")[0]
    return await store.find(Run, run_id, within=thread_id) if run_id else None


def _place(seen: str, run: Run, bus: Bus) -> int:
    """The event's number: 0 in another epoch, and where what came next was let go."""
    epoch, _, rest = seen.partition(".")
    number = rest.partition(".")[2]
    if epoch != bus.epoch or not number.isdecimal():
        return 0
    after, kept = int(number[:_DIGITS]), bus.kept(run.id)
    return after if kept and after >= kept[0].seq - 1 else 0


def _retold(run: Run, after: int, store: Store, bus: Bus) -> AsyncIterator[Recorded]:
    """The run's records after that one of this epoch, up to the next that ends it or waits for the client.

    What was recorded before this epoch, or was let go, is told from the store, in whole texts, with 0 for a number.
    What is kept now is told from here, however slowly it is read.
    """
    return _telling(run, after, bus.kept(run.id), bus.follow(run.id, after), store)


async def _telling(
    run: Run, after: int, kept: Sequence[Recorded], following: AsyncIterator[Recorded], store: Store
) -> AsyncIterator[Recorded]:
    if not kept or not kept[0].first:
        if after == 0:
            for recorded in await _from_store(run, store, kept):
                yield recorded
        if not kept and run.status not in {"queued", "in_progress", "cancelling"}:
            return
    async for recorded in following:
        yield recorded


async def _from_store(run: Run, store: Store, kept: Sequence[Recorded]) -> list[Recorded]:
    """What the store knows of a run and its kept records do not tell."""
    opened = {each.event.step.id for each in kept if isinstance(each.event, StepOpened)}
    moved = {each.object.id for each in kept if isinstance(each.event, StepMoved) and each.object}
    begun = run.model_copy(update={**_RUN_BEFORE_ITS_END, "status": "in_progress"})
    queued = begun.model_copy(update={"status": "queued", "started_at": None})
    told = [_record(run, queued, RunMoved("queued"))]
    if run.started_at:
        told.append(_record(run, begun, RunMoved("in_progress")))
    for step in await store.all(RunStep, within=run.id):
        if step.id not in opened:
            told += await _step(run, step, store, ended=step.id not in moved)
    if not kept and run.status not in {"queued", "in_progress"}:
        told.append(_record(run, run, RunMoved(run.status)))
    return told


async def _step(run: Run, step: RunStep, store: Store, *, ended: bool) -> list[Recorded]:
    """A step's records, from its opening to its end if it has one."""
    details = step.step_details
    bare = details if isinstance(details, MessageCreation) else ToolCalls()
    opened = step.model_copy(update={**_STEP_BEFORE_ITS_END, "step_details": bare, "expires_at": run.expires_at})
    told = [_record(run, opened, StepOpened(opened))]
    if isinstance(details, MessageCreation):
        message = await store.find(Message, details.message_creation.message_id)
        told += list(_message(run, message)) if message else []
    else:
        told += _calls(run, opened, details)
    if step.asks:
        told.append(_record(run, step, ApprovalAsked(step.asks.calls)))
    if ended and step.status != "in_progress":
        told.append(_record(run, step, StepMoved(step.status)))
    return told


def _message(run: Run, message: Message) -> Iterator[Recorded]:
    images = tuple(part.image_file.file_id for part in message.content if isinstance(part, ImageFilePart))
    opened = message.model_copy(update=_MESSAGE_BEFORE_ITS_END)
    yield _record(run, opened, MessageOpened(opened, images))
    for at, part in enumerate(message.content):
        if isinstance(part, TextPart):
            yield _record(run, opened, TextDelta(part.text.value), index=at)
    if message.status != "in_progress":
        yield _record(run, message, MessageMoved(message.status))


def _calls(run: Run, opened: RunStep, details: ToolCalls) -> Iterator[Recorded]:
    for index, call in enumerate(details.tool_calls):
        if isinstance(call, CodeCall):
            yield _record(run, opened, CodeDelta(call.id, call.code_interpreter.input), index=index)
            for at, output in enumerate(call.code_interpreter.outputs):
                yield _record(run, opened, OutputDelta(call.id, output), index=index, output_index=at)
        elif isinstance(call, ClientCall):
            arguments = call.function.arguments
            yield _record(run, opened, CallDelta(call.id, call.function.name, arguments), index=index)
            output = call.function.output
            if call.function.name not in functions_of(run) and output is not None:
                answered = CallAnswered(call.id, call.function.name, arguments, output)
                yield _record(run, opened, answered, index=index)


def _record(
    run: Run, thing: Run | RunStep | Message, event: Event, *, index: int = 0, output_index: int = 0
) -> Recorded:
    return Recorded(seq=0, run_id=run.id, event=event, object=thing, index=index, output_index=output_index)
