"""One thread of an export: its objects in the order in which they were made, with the cells of its notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kernelci.engine.results import excerpted
from kernelci.engine.threads import with_files
from kernelci.imports.order import conversation
from kernelci.protocol.objects import (
    Cell,
    CellStatus,
    CodeCall,
    Logs,
    Message,
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

    @property
    def created_at(self) -> int:
        """When it was made, or when what is left of it began."""
        said = (*self.messages.values(), *self.runs.values(), *self.steps.values())
        return self.thread.created_at if self.thread else min(each.created_at for each in said)

    def arranged(self, picture: Picture) -> Iterator[Thread | Message | Run | RunStep | Cell]:
        """All objects, each after what it belongs to, and a cell after each step that ran code.

        Files that users attached for the code interpreter are the thread's, as they are when a message is posted:
        v1's threads do not name them.
        """
        steps = [step for step in self.steps.values() if step.run_id in self.runs]
        said = list(conversation([*self.messages.values()], [*self.runs.values()], steps))
        thread = self.thread or Thread(id=self.id, created_at=self.created_at)
        yield with_files(each for each in said if isinstance(each, Message) and each.role == "user")(thread)
        for object in said:
            yield excerpted(object) if isinstance(object, RunStep) else object
            if isinstance(object, RunStep):
                yield from _cells(object, picture)


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
