"""Small valid objects for tests; each takes changes of its fields."""

from __future__ import annotations

from collections.abc import Iterable

from kernelci.protocol import ids
from kernelci.protocol.objects import Assistant, Cell, File, Message, Object, Run, RunStep, Thread, ToolCalls
from kernelci.protocol.parts import Text, TextPart
from kernelci.protocol.states import RunStatus
from kernelci.protocol.uploads import Stretch, Upload, UploadPart


def assistant(**changes: object) -> Assistant:
    return Assistant.model_validate({"id": ids.new("assistant"), "created_at": 1, "model": "m", **changes})


def thread(**changes: object) -> Thread:
    return Thread.model_validate({"id": ids.new("thread"), "created_at": 1, **changes})


def message(thread: Thread, text: str = "", **changes: object) -> Message:
    content = (TextPart(text=Text(value=text)),)
    return Message.model_validate(
        {"id": ids.new("message"), "created_at": 1, "thread_id": thread.id, "role": "user", "content": content}
        | changes
    )


def run(thread: Thread, status: RunStatus = "queued", **changes: object) -> Run:
    return Run.model_validate(
        {"id": ids.new("run"), "created_at": 1, "thread_id": thread.id, "assistant_id": "asst_1", "model": "m"}
        | {"status": status}
        | changes
    )


def step(run: Run) -> RunStep:
    return RunStep(
        id=ids.new("step"),
        created_at=1,
        run_id=run.id,
        thread_id=run.thread_id,
        assistant_id=run.assistant_id,
        type="tool_calls",
        step_details=ToolCalls(),
    )


def cell(step: RunStep, **changes: object) -> Cell:
    return Cell.model_validate(
        {"id": ids.new_call(), "created_at": 1, "step_id": step.id, "run_id": step.run_id}
        | {"thread_id": step.thread_id, "code": "1", "status": "ok"}
        | changes
    )


def file(**changes: object) -> File:
    return File.model_validate(
        {"id": ids.new("file"), "created_at": 1, "bytes": 1, "filename": "a.csv", "purpose": "assistants"}
        | {"blob": "0" * 64}
        | changes
    )


def upload(**changes: object) -> Upload:
    return Upload.model_validate(
        {"id": ids.new("upload"), "created_at": 1, "expires_at": ids.now() + 60, "bytes": 1, "filename": "a.csv"}
        | {"mime_type": "text/csv", "purpose": "assistants"}
        | changes
    )


def part(upload: Upload) -> UploadPart:
    stretch = Stretch(name="first", start=0, size=1)
    return UploadPart(id=ids.new("part"), created_at=1, upload_id=upload.id, stretch=stretch)


def named(objects: Iterable[Object]) -> list[str]:
    return [each.id for each in objects]
