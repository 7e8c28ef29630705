"""One thread of an export: its objects in the order in which they were made, with the cells of its notebook.

The order matters: it is that of the API's lists, of the notebook, and of what a model is told. Objects have whole
seconds only, so within one second a step comes after its run, and a message right after the step that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from kernelci.protocol.objects import (
    Cell,
    CellStatus,
    CodeCall,
    Logs,
    Message,
    MessageCreation,
    Object,
    Run,
    RunStep,
    Thread,
    ToolCalls,
)
from kernelci.protocol.parts import JsonObject

Picture = Callable[[str], JsonObject | None]
"""A mime bundle of a picture file, by its id; None where its bytes are not there."""

_FAILED = "Traceback (most recent call last)"


@dataclass(slots=True)
class ThreadParts:
    """What an export has of one thread; `thread` is None where only its messages or runs are there."""

    id: str
    thread: Thread | None = None
    messages: dict[str, Message] = field(default_factory=dict[str, Message])
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    steps: dict[str, RunStep] = field(default_factory=dict[str, RunStep])

    def add(self, object: Thread | Message | Run | RunStep) -> None:
        """Take in an object of this thread."""
        match object:
            case Thread():
                self.thread = object
            case Message():
                self.messages[object.id] = object
            case Run():
                self.runs[object.id] = object
            case RunStep():
                self.steps[object.id] = object

    def without_run(self) -> tuple[RunStep, ...]:
        """The steps whose run is missing; they cannot be kept."""
        return tuple(step for step in self.steps.values() if step.run_id not in self.runs)

    def pictures(self) -> Iterator[str]:
        """The files that cells displayed, by id."""
        for step in self.steps.values():
            for call in _code_calls(step):
                yield from (
                    output.image.file_id for output in call.code_interpreter.outputs if not isinstance(output, Logs)
                )

    def arranged(self, picture: Picture) -> Iterator[Thread | Message | Run | RunStep | Cell]:
        """All objects, each after what it belongs to, and a cell after each step that ran code."""
        yield self.thread or Thread(id=self.id, created_at=min(each.created_at for each in self._said()))
        steps = _with_turns(step for step in self.steps.values() if step.run_id in self.runs)
        told = {id for step in steps if (id := _written_by(step)) in self.messages}
        free = [message for message in self.messages.values() if message.id not in told]
        for object in sorted([*free, *self.runs.values(), *steps], key=self._place):
            yield object
            if isinstance(object, RunStep):
                if (id := _written_by(object)) in self.messages:
                    yield self.messages[id]
                yield from _cells(object, picture)

    def _said(self) -> list[Object]:
        return [*self.messages.values(), *self.runs.values(), *self.steps.values()]

    def _place(self, object: Message | Run | RunStep) -> tuple[int, int, int]:
        match object:
            case RunStep():
                began = max(object.created_at, self.runs[object.run_id].created_at)
                return began, 2, object.turn
            case Run():
                return object.created_at, 1, 0
            case Message():
                return object.created_at, 3 if object.run_id else 0, 0


def _with_turns(steps: Iterable[RunStep]) -> list[RunStep]:
    """The steps in their order, each a turn of its run: which of them one reply made cannot be told any more."""
    turns: dict[str, int] = {}
    numbered: list[RunStep] = []
    for step in sorted(steps, key=lambda step: (step.created_at, step.type == "message_creation")):
        turn = turns[step.run_id] = turns.get(step.run_id, -1) + 1
        numbered.append(step.model_copy(update={"turn": turn}))
    return numbered


def _written_by(step: RunStep) -> str:
    details = step.step_details
    return details.message_creation.message_id if isinstance(details, MessageCreation) else ""


def _code_calls(step: RunStep) -> list[CodeCall]:
    details = step.step_details
    calls = details.tool_calls if isinstance(details, ToolCalls) else ()
    return [call for call in calls if isinstance(call, CodeCall)]


def _cells(step: RunStep, picture: Picture) -> Iterator[Cell]:
    for call in _code_calls(step):
        yield Cell(
            id=call.id,
            created_at=step.created_at,
            run_id=step.run_id,
            step_id=step.id,
            thread_id=step.thread_id,
            code=call.code_interpreter.input,
            status=_status(step, call),
            outputs=tuple(_outputs(call, picture)),
        )


def _status(step: RunStep, call: CodeCall) -> CellStatus:
    printed = [output.logs for output in call.code_interpreter.outputs if isinstance(output, Logs)]
    if any(_FAILED in logs for logs in printed):
        return "error"
    return "ok" if step.status == "completed" else "interrupted"


def _outputs(call: CodeCall, picture: Picture) -> Iterator[JsonObject]:
    for output in call.code_interpreter.outputs:
        if isinstance(output, Logs):
            yield {"output_type": "stream", "name": "stdout", "text": output.logs}
        else:
            data = picture(output.image.file_id) or {"text/plain": f"[the picture {output.image.file_id}]"}
            yield {"output_type": "display_data", "data": data, "metadata": {}}
