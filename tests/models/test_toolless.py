"""Models that cannot call tools: how that is found out, and what they are told."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from kernelci.engine.events import UsageCounted
from kernelci.engine.ports.model import ModelRequest
from kernelci.errors import ModelRefused
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from kernelci.models.toolless import without_tools
from tests.models.requests import FUNCTIONS_ONLY, INTERPRETER, WITH_CODE
from tests.upstream import Fails, NeverEnds, Runs, Says, text_chunk

REFUSED = Fails(400, {"error": {"message": "stablelm2:latest does not support tools", "type": "api_error"}})
FENCED = Says("```python\n6 * 7\n```")


async def ignore(event) -> None:
    del event


async def replies(upstream, answers, *requests):
    """The codes of the replies to each request, asked of one model after another."""
    upstream.will(answers)
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client)
        made = [await model.reply(request, ignore) for request in requests]
    return [[call.code for call in reply.calls] for reply in made]


async def test_a_refusal_is_remembered_for_that_model_alone(upstream):
    other = replace(WITH_CODE, model="other")
    answers = [REFUSED, FENCED, FENCED, Runs("1")]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE, other) == [["6 * 7"], ["6 * 7"], ["1"]]
    assert ["tools" in asked.body for asked in upstream.requests] == [True, False, False, True]


async def test_a_model_that_could_call_and_cannot_any_more_has_its_code_run(upstream):
    answers = [Runs("1"), REFUSED, FENCED, FENCED]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE, WITH_CODE) == [["1"], ["6 * 7"], ["6 * 7"]]


async def test_a_model_is_tried_once(upstream):
    answers = [FENCED, Says("I have no tools."), FENCED]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE) == [["6 * 7"], ["6 * 7"]]
    first, trial, second = (asked.body for asked in upstream.requests)
    assert "tools" in first
    assert (trial["tools"], len(trial["messages"])) == (first["tools"], 1)
    assert "tools" not in second


@pytest.mark.parametrize(
    "written",
    [
        Says('{"name": "code_interpreter", "arguments": {"code": "1"}}'),
        Says("<function=code_interpreter>1</function>"),
        Says("<|python_tag|>1"),
    ],
)
async def test_a_call_in_the_text_does_not_tell_that_a_model_can_call_tools(upstream, written):
    answers = [written, FENCED, Says("I have no tools."), Says('{"code": "2"}')]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE, WITH_CODE) == [["1"], ["6 * 7"], ["2"]]


async def test_nor_does_one_that_is_written_on_trial(upstream):
    answers = [FENCED, Says("<function=code_interpreter>48611 * 7919</function>"), FENCED]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE) == [["6 * 7"], ["6 * 7"]]


async def test_a_call_in_the_text_does_not_untell_it(upstream):
    answers = [Runs("1"), Says("<function=code_interpreter>2</function>"), FENCED]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE, WITH_CODE) == [["1"], ["2"], []]


@pytest.mark.parametrize("trial", [Fails(500), Says("Let me thi", finish="length")])
async def test_a_trial_that_tells_nothing_runs_nothing_and_is_made_again(upstream, trial):
    answers = [FENCED, trial, FENCED, Runs("1")]
    assert await replies(upstream, answers, WITH_CODE, WITH_CODE) == [[], []]
    assert len(upstream.requests) == 4


async def test_what_a_trial_costs_is_counted(asked, upstream):
    upstream.will([Says("```python\n1\n```"), Runs("1")])
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        reply = await ChatModel(endpoint, client).reply(WITH_CODE, ignore)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (20, 10)


async def test_what_a_trial_has_cost_is_counted_when_it_is_cancelled(upstream):
    counted = {**text_chunk("Hm. "), "usage": {"prompt_tokens": 20, "completion_tokens": 7}}
    upstream.will([Says("```python\n1\n```"), NeverEnds([counted], pause=0.01)])
    events = []

    async def emit(event) -> None:
        events.append(event)

    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(ChatModel(endpoint, client).reply, WITH_CODE, emit)
        while len(upstream.requests) < 2:
            await anyio.sleep(0.01)  # until the trial has been asked for
        await anyio.sleep(0.2)  # for some of its reply to come
        tasks.cancel_scope.cancel()
    (told,) = [event for event in events if isinstance(event, UsageCounted)]
    assert (told.usage.prompt_tokens, told.usage.completion_tokens, told.beside) == (30, 12, 20)


async def test_without_an_interpreter_nothing_is_tried_or_run(upstream):
    assert await replies(upstream, [FENCED], FUNCTIONS_ONLY) == [[]]
    assert len(upstream.requests) == 1


async def test_calls_are_told_in_words_where_no_tool_is_offered_any_more(upstream):
    call = {"id": "c", "type": "function", "function": {"name": "code_interpreter", "arguments": '{"code": "1/0"}'}}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    failed = {"role": "tool", "tool_call_id": "c", "content": "ZeroDivisionError"}
    closing = replace(WITH_CODE, tools=(), messages=(*WITH_CODE.messages, called, failed))
    assert await replies(upstream, [REFUSED, FENCED, Says("No.")], WITH_CODE, closing) == [["6 * 7"], []]
    told = upstream.requests[-1].body["messages"]
    assert [(each["role"], set(each)) for each in told] == [
        (role, {"role", "content"}) for role in ("user", "assistant", "user")
    ]


async def test_another_refusal_is_no_word_on_tools(upstream):
    with pytest.raises(ModelRefused):
        await replies(upstream, [Fails(400, {"error": {"message": "tools[0] is malformed"}})], WITH_CODE)
    assert len(upstream.requests) == 1


def called(name, arguments):
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_calls_and_results_are_told_in_words_and_roles_take_turns():
    asked = ModelRequest(
        "m",
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Six times seven?"},
            {"role": "user", "content": "Please."},
            {
                "role": "assistant",
                "content": "So:",
                "tool_calls": [called("code_interpreter", '{"code": "6 * 7"}')],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "42\n"},
            {"role": "assistant", "content": "", "tool_calls": [called("weather", "{}")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "```"},
        ),
        tools=(INTERPRETER,),
        tool_choice={"type": "function", "function": {"name": "code_interpreter"}},
        parallel_tool_calls=False,
    )
    told = without_tools(asked)
    system, *messages = told.messages
    assert system["role"] == "system"
    assert system["content"].endswith("Do so in this reply.\n\nBe brief.")
    assert messages == [
        {"role": "user", "content": "Six times seven?\n\nPlease."},
        {"role": "assistant", "content": "So:\n```python\n6 * 7\n```"},
        {"role": "user", "content": "The result:\n```\n42\n```"},
        {"role": "assistant", "content": '<tool_call>{"name": "weather", "arguments": {}}</tool_call>'},
        {"role": "user", "content": "The result:\n````\n```\n````"},
    ]
    assert (told.tools, told.tool_choice, told.parallel_tool_calls) == ((), None, None)


def test_where_no_tool_may_be_called_none_is_told_of():
    told = without_tools(replace(WITH_CODE, tool_choice="none"))
    assert told.messages == WITH_CODE.messages
