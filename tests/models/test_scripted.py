"""A script is followed the same by any number of runs, and read off the request alone."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from kernelci.engine.events import Call, CallDelta, CodeDelta, Event, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports.model import CODE_TOOL, ModelRequest, Reply
from kernelci.errors import ModelUnavailable
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn
from tests.models.requests import FUNCTIONS_ONLY, WITH_CODE

USER = {"role": "user", "content": "How many?"}
REPLIED = {"role": "assistant", "content": "", "tool_calls": []}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "344"}


async def told(model: ScriptedModel, request: ModelRequest) -> tuple[list[Event], Reply]:
    events: list[Event] = []

    async def emit(event: Event) -> None:
        events.append(event)

    return events, await model.reply(request, emit)


async def test_text_comes_by_words():
    events, reply = await told(ScriptedModel([Turn("Three  kinds,\n344 birds. ")]), WITH_CODE)
    assert events == [
        *(TextDelta(word) for word in ("Three", "  kinds,", "\n344", " birds. ")),
        UsageCounted(reply.usage),
        TextDone(),
    ]
    assert reply.text == "Three  kinds,\n344 birds. "
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


async def test_text_then_code_by_lines_then_functions():
    turn = Turn("Look:", "df = 1\ndf", (CallFunction("weather", {"city": "חיפה"}),))
    events, reply = await told(ScriptedModel([turn]), WITH_CODE)
    code, function = reply.calls
    assert events == [
        TextDelta("Look:"),
        CodeDelta(code.id, "df = 1\n"),
        CodeDelta(code.id, "df"),
        UsageCounted(reply.usage),
    ]
    assert code == Call(code.id, CODE_TOOL, '{"code": "df = 1\\ndf"}', "df = 1\ndf")
    assert function == Call(function.id, "weather", '{"city": "חיפה"}')


async def test_functions_are_told_where_no_code_is_offered():
    events, reply = await told(ScriptedModel([Turn(functions=(CallFunction("weather"),))]), FUNCTIONS_ONLY)
    assert events == [CallDelta(reply.calls[0].id, "weather", "{}"), UsageCounted(reply.usage)]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((USER,), "first"),
        ((USER, REPLIED, RESULT), "second"),
        ((USER, REPLIED, RESULT, RESULT, REPLIED, RESULT), "third"),
        ((USER, REPLIED, RESULT, REPLIED, USER), "first"),
        (({"role": "system", "content": ""},), "first"),
    ],
)
async def test_the_next_turn_is_read_off_the_request(messages, text):
    model = ScriptedModel([Turn("first"), Turn("second"), Turn("third")])
    _, reply = await told(model, replace(WITH_CODE, messages=messages))
    assert reply.text == text


async def test_a_turn_may_depend_on_the_request():
    model = ScriptedModel([Turn(code="6*7"), lambda request: Turn(f"It is {request.messages[-1]['content']}.")])
    _, reply = await told(model, replace(WITH_CODE, messages=(USER, REPLIED, RESULT)))
    assert reply.text == "It is 344."


async def test_runs_do_not_disturb_each_other():
    model = ScriptedModel([Turn("one two three"), Turn("four five six")], pause=0.001)
    texts: list[str] = []

    async def run() -> None:
        for messages in ((USER,), (USER, REPLIED, RESULT)):
            _, reply = await told(model, replace(WITH_CODE, messages=messages))
            texts.append(reply.text)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(run)
    assert sorted(texts) == ["four five six"] * 5 + ["one two three"] * 5


async def test_a_script_at_its_end_says_so():
    with pytest.raises(ModelUnavailable) as failed:
        await told(ScriptedModel([Turn("Only this.")]), replace(WITH_CODE, messages=(USER, REPLIED, RESULT)))
    assert failed.value.message == "The scripted model has no reply number 2: its script ends after 1."


async def test_code_without_an_interpreter_is_a_mistake_of_the_script():
    with pytest.raises(ModelUnavailable, match="no code_interpreter tool"):
        await told(ScriptedModel([Turn(code="1")]), FUNCTIONS_ONLY)


def test_it_serves_every_name():
    model = ScriptedModel([])
    assert model.serving("gpt-4o") == (model, "gpt-4o")
