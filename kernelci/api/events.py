"""A run's records as the events of its stream, in the names and shapes of protocol.md 4.

Clients add deltas up, strings and numbers alike. So an id, a place or a name is sent once, when its item is opened,
and nothing that has been streamed is sent again when it is whole. That a person has changed code cannot be said in
deltas: the step is told anew as a whole then, and what follows adds up with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from kernelci.api.approvals import approval
from kernelci.api.dialects.choice import Dialect
from kernelci.api.dialects.objects import downgrade, downgrade_details, downgrade_name
from kernelci.engine.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallAnswered,
    CallDelta,
    CodeDelta,
    CodeDone,
    FileProduced,
    MessageMoved,
    MessageOpened,
    Output,
    OutputDelta,
    OutputsSubmitted,
    Recorded,
    RunMoved,
    StepMoved,
    StepOpened,
    TextDelta,
    TextDone,
    TurnOpened,
    UsageCounted,
)
from kernelci.protocol.objects import Object, RunStep
from kernelci.protocol.parts import JsonObject

WireEvent = tuple[str, JsonObject]
"""An event's name and its data."""

_CallEvent = CodeDelta | CallDelta | CallAnswered | OutputDelta


@dataclass(slots=True)
class _Text:
    """The text of the open message: whether it has begun, its length in code points, its annotations."""

    begun: bool = False
    length: int = 0
    annotations: int = 0


@dataclass(slots=True)
class Stream:
    """The events of one run's stream. Records go in in their order, and each once.

    With `ours` there are events among them that the hosted service did not have.
    """

    dialect: Dialect
    ours: bool = False
    _text: _Text = field(default_factory=_Text)
    _opened: set[str] = field(default_factory=set[str])
    """The calls that have been opened."""

    def events(self, recorded: Recorded) -> Iterator[WireEvent]:
        """The events of one record: none, one or a few."""
        event = recorded.event
        match event:
            case RunMoved(status):
                if recorded.first:  # the run has just been made
                    yield self._whole("thread.run.created", recorded)
                yield self._whole(f"thread.run.{status}", recorded)
            case StepOpened():
                yield self._whole("thread.run.step.created", recorded)
                yield self._whole("thread.run.step.in_progress", recorded)
            case StepMoved(status):
                yield self._whole(f"thread.run.step.{status}", recorded)
            case MessageOpened(_, images):
                self._text = _Text()
                yield self._whole("thread.message.created", recorded)
                yield self._whole("thread.message.in_progress", recorded)
                for index, file_id in enumerate(images):
                    image = {"index": index, "type": "image_file", "image_file": {"file_id": file_id}}
                    yield _message_delta(recorded, image)
            case MessageMoved(status):
                yield self._whole(f"thread.message.{status}", recorded)
            case TextDelta():
                yield from self._text_deltas(event, recorded)
            case CodeDelta() | CallDelta() | CallAnswered() | OutputDelta():
                yield from self._call_deltas(event, recorded)
            case ApprovalAsked():
                yield self._whole("thread.run.step.in_progress", recorded)  # of an old name: no client stumbles
                yield from self._own("thread.run.approval.requested", recorded)
            case ApprovalGiven(_, answer):
                if answer.decision == "edit":
                    yield self._whole("thread.run.step.in_progress", recorded)
                yield from self._own("thread.run.approval.answered", recorded)
            case (
                TurnOpened()
                | TextDone()
                | CodeDone()
                | Output()
                | OutputsSubmitted()
                | FileProduced()
                | UsageCounted()
            ):
                return
            case _:
                assert_never(event)

    def skip(self, recorded: Recorded) -> None:
        """Take in a record that the reader has seen already."""
        for _ in self.events(recorded):
            pass

    def _own(self, name: str, recorded: Recorded) -> Iterator[WireEvent]:
        """An event of ours, where the reader is no SDK's."""
        if self.ours and isinstance(recorded.object, RunStep):
            yield name, approval(recorded.object)

    def _whole(self, name: str, recorded: Recorded) -> WireEvent:
        return downgrade_name(self.dialect, name), downgrade(self.dialect, _subject(recorded))

    def _step_delta(self, recorded: Recorded, call: JsonObject) -> WireEvent:
        details = downgrade_details(self.dialect, {"type": "tool_calls", "tool_calls": [call]})
        data = {"id": _subject(recorded).id, "object": "thread.run.step.delta", "delta": {"step_details": details}}
        return "thread.run.step.delta", data

    def _text_deltas(self, event: TextDelta, recorded: Recorded) -> Iterator[WireEvent]:
        part: JsonObject = {"index": recorded.index, "type": "text"}
        if not self._text.begun:
            # Some clients report the pictures before it only when the text has begun (protocol.md 4, rule 8).
            self._text.begun = True
            yield _message_delta(recorded, {**part, "text": {"value": "", "annotations": []}})
            if not event.text:
                return
        text: JsonObject = {"value": event.text}
        start, self._text.length = self._text.length, self._text.length + len(event.text)
        if event.file:
            annotation: JsonObject = {
                "index": self._text.annotations,
                "type": "file_path",
                "text": event.text,
                "start_index": start,
                "end_index": self._text.length,
                "file_path": {"file_id": event.file.id},
            }
            self._text.annotations += 1
            text["annotations"] = [annotation]
        yield _message_delta(recorded, {**part, "text": text})

    def _call_deltas(self, event: _CallEvent, recorded: Recorded) -> Iterator[WireEvent]:
        """A call's deltas; before the first, the one that opens it."""
        kind = "function" if isinstance(event, CallDelta | CallAnswered) else "code_interpreter"
        call: JsonObject = {"index": recorded.index, "type": kind}
        if event.call_id not in self._opened:
            self._opened.add(event.call_id)
            opening = {**call, "id": event.call_id, kind: _opening(event)}
            yield self._step_delta(recorded, opening)
        yield self._step_delta(recorded, {**call, kind: _more(event, recorded)})


def _opening(event: _CallEvent) -> JsonObject:
    """A call before anything is in it."""
    if isinstance(event, CallDelta | CallAnswered):
        return {"name": event.name, "arguments": "", "output": None}
    return {"input": "", "outputs": []}


def _more(event: _CallEvent, recorded: Recorded) -> JsonObject:
    """What is new in a call."""
    match event:
        case CodeDelta(_, text):
            return {"input": text}
        case CallDelta(_, _, arguments):
            return {"arguments": arguments}
        case CallAnswered():
            return {"output": event.output}
        case OutputDelta(_, output):
            return {"outputs": [{"index": recorded.output_index, **output.model_dump(mode="json")}]}


def _subject(recorded: Recorded) -> Object:
    if recorded.object is None:
        raise AssertionError(f"{type(recorded.event).__name__} was recorded without its object")
    return recorded.object


def _message_delta(recorded: Recorded, part: JsonObject) -> WireEvent:
    data = {"id": _subject(recorded).id, "object": "thread.message.delta", "delta": {"content": [part]}}
    return "thread.message.delta", data
