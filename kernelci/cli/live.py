"""A streamed run, shown as it goes: the SDK's events on one side, the screen on the other."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, cast

from openai import OpenAI, Stream
from openai.lib.streaming import AssistantEventHandler, AssistantStreamManager
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Message, TextDelta
from openai.types.beta.threads.runs import CodeInterpreterToolCallDelta, RunStep, RunStepDelta
from openai.types.beta.threads.text import Text

from kernelci.cli.approvals import Approvals, code_of
from kernelci.cli.results import Results
from kernelci.cli.screen import Screen


class LiveRun(AssistantEventHandler):
    """Shows one run, and saves what it makes."""

    def __init__(self, screen: Screen, results: Results, approvals: Approvals) -> None:
        super().__init__()
        self._screen = screen
        self._results = results
        self._approvals = approvals
        self._streamed: dict[str, str] = {}

    def on_event(self, event: AssistantStreamEvent) -> None:
        match event.event:
            case "thread.run.in_progress" | "thread.run.step.completed":
                self._screen.wait("waiting for the model")
            case "thread.run.step.in_progress":
                self._told_anew(event.data)
            case "thread.run.failed":
                error = event.data.last_error
                self._screen.note(error.message if error else "The run failed.", "red")
            case "thread.run.incomplete":
                reason = event.data.incomplete_details and event.data.incomplete_details.reason
                self._screen.note(f"The answer stops here: {reason or 'the model was cut short'}.", "yellow")
            case "thread.run.expired":
                self._screen.note("The run took too long and has expired (KERNELCI_RUN_TIMEOUT).", "yellow")
            case "thread.run.cancelled":
                self._screen.note("Cancelled.", "yellow")
            case "error":
                self._screen.note(event.data.message or "The stream broke off.", "red")
            case _:
                pass

    def on_run_step_delta(self, delta: RunStepDelta, snapshot: RunStep) -> None:
        if delta.step_details is None or delta.step_details.type != "tool_calls":
            return
        for call in delta.step_details.tool_calls or ():
            if call.type == "code_interpreter":
                self._code(call, snapshot.id)

    def _told_anew(self, step: RunStep) -> None:
        """A step that has begun may be told again: its code waits for a person, or a person has changed it."""
        if not (code := code_of(step)):
            return
        streamed = self._streamed.get(step.id, "")
        if asked := self._approvals.waiting(step):
            self._approvals.settle(step, asked, streamed)
        elif code != streamed:
            self._screen.note("Changed to:", "yellow")
            self._screen.write(code)

    def _code(self, call: CodeInterpreterToolCallDelta, step_id: str) -> None:
        if call.code_interpreter is None:
            return
        if call.code_interpreter.input:
            self._streamed[step_id] = self._streamed.get(step_id, "") + call.code_interpreter.input
            self._screen.write(call.code_interpreter.input)
        for output in call.code_interpreter.outputs or ():
            if output.type == "logs":
                self._screen.show(output.logs or "")
            elif output.image and output.image.file_id:
                path = self._results.figure(output.image.file_id)
                if path:
                    self._screen.saved(path)

    def on_run_step_done(self, run_step: RunStep) -> None:
        self._screen.end()
        if run_step.step_details.type == "tool_calls":
            for call in run_step.step_details.tool_calls:
                if call.type == "function" and call.function.output is not None:
                    self._screen.note(f"{call.function.name} {readable(call.function.arguments)}", "bright_black")

    def on_text_delta(self, delta: TextDelta, snapshot: Text) -> None:
        self._screen.say(delta.value or "")

    def on_message_done(self, message: Message) -> None:
        for part in message.content:
            if part.type == "text":
                for note in part.text.annotations:
                    if note.type == "file_path":
                        path = self._results.file(note.file_path.file_id, note.text)
                        if path:
                            self._screen.saved(path)


def followed(client: OpenAI, thread_id: str, live: LiveRun) -> AssistantStreamManager[LiveRun]:
    """The stream of a thread's newest run, from its beginning: our own extension, which the SDK has no name for."""
    events = partial(
        client.get,
        f"/threads/{thread_id}/events",
        cast_to=cast("Any", AssistantStreamEvent),
        options={"headers": {"OpenAI-Beta": "assistants=v2"}},
        stream=True,
        stream_cls=Stream[AssistantStreamEvent],
    )
    return AssistantStreamManager(events, event_handler=live)


def readable(arguments: str) -> str:
    """A call's arguments as a person reads them: `out_3, search "שורות"`; as they are, where they are no object."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return arguments
    if not isinstance(given, dict):
        return arguments
    named = cast("dict[str, object]", given).items()
    return ", ".join(f"{value}" if name == "id" else f"{name} {_as_json(value)}" for name, value in named)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
