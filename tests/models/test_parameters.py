"""What a model refuses is asked in another way, and that is remembered for this model alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from kernelci.engine.events import Event
from kernelci.engine.ports.model import ModelRequest
from kernelci.errors import ModelRefused, PromptTooLong
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.models.requests import INTERPRETER, WEATHER, WITH_CODE
from tests.upstream import Answer, Fails, Says, Upstream


async def ignore(event: Event) -> None:
    del event


async def sent(upstream: Upstream, answers: Any, *requests: ModelRequest) -> list[dict[str, Any]]:
    """What an endpoint that answers so is sent, where these requests are made one after another."""
    upstream.will(answers)
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client)
        for request in requests:
            await model.reply(request, ignore)
    return [asked.body for asked in upstream.requests]


def refuses(message: str, **more: object) -> Fails:
    return Fails(400, {"error": {"message": message, **more}})


@pytest.mark.parametrize(
    ("refusal", "left_out", "sent_instead"),
    [
        (refuses("Unrecognized request argument supplied: stream_options"), "stream_options", {}),
        (Fails(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra"}]}), "stream_options", {}),
        (refuses("Not supported.", param="parallel_tool_calls"), "parallel_tool_calls", {}),
        (
            refuses("'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
            "max_tokens",
            {"max_completion_tokens": 100},
        ),
    ],
)
async def test_a_parameter_that_is_refused_is_left_out_for_good(upstream, refusal, left_out, sent_instead):
    upstream.will([refusal, Says("one", usage=None), Says("two", usage=None)])
    endpoint = Endpoint(upstream.url)
    request = replace(WITH_CODE, parallel_tool_calls=False, max_tokens=100)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client)
        assert [(await model.reply(request, ignore)).text for _ in range(2)] == ["one", "two"]
    first, *later = (request.body for request in upstream.requests)
    expected = {name: value for name, value in first.items() if name != left_out} | sent_instead
    assert left_out in first
    assert later == [expected, expected]


@pytest.mark.parametrize(
    "refusal",
    [
        refuses("The messages are too long."),
        Fails(404, {"error": {"message": "stream_options"}}),
    ],
)
async def test_any_other_refusal_is_final(upstream, refusal):
    upstream.will([refusal])
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        with pytest.raises(ModelRefused):
            await ChatModel(endpoint, client).reply(replace(WITH_CODE, max_tokens=100), ignore)
    assert len(upstream.requests) == 1


async def test_a_parameter_refused_twice_ends_the_question(upstream):
    upstream.will(lambda body: refuses("no stream_options, whatever you do"))
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        with pytest.raises(ModelRefused):
            await ChatModel(endpoint, client).reply(WITH_CODE, ignore)
    assert len(upstream.requests) == 2


SAMPLED = replace(WITH_CODE, temperature=0.2, top_p=0.9, reasoning_effort="minimal")
BOTH = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
DEFAULT_ONLY = "'temperature' does not support 0.2 with this model. Only the default (1) value is supported."


@pytest.mark.parametrize(
    ("refusal", "left_out"),
    [
        pytest.param(refuses(BOTH), "top_p", id="Anthropic, one of two"),
        pytest.param(refuses("`temperature` is deprecated for this model."), "temperature", id="Anthropic, newer"),
        pytest.param(
            refuses("Unsupported parameter: 'top_p' is not supported with this model.", param="top_p"),
            "top_p",
            id="OpenAI",
        ),
        pytest.param(refuses(DEFAULT_ONLY, param="temperature"), "temperature", id="OpenAI, one value"),
        pytest.param(
            Fails(400, {"error": "Model grok-4-latest does not support parameter reasoningEffort."}),
            "reasoning_effort",
            id="xAI",
        ),
        pytest.param(
            Fails(
                422, {"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}]}
            ),
            "reasoning_effort",
            id="Mistral",
        ),
    ],
)
async def test_a_model_that_does_not_take_a_parameter_is_asked_without_it_from_then_on(
    upstream: Upstream, refusal: Answer, left_out: str
) -> None:
    first, *later = await sent(upstream, [refusal, Says("one"), Says("two")], SAMPLED, SAMPLED)
    assert left_out in first
    assert later == [{name: value for name, value in first.items() if name != left_out}] * 2


@pytest.mark.parametrize(
    ("refusal", "left_out"),
    [
        pytest.param(
            refuses("'reasoning_effort' does not support 'minimal'. Supported values are: 'low' and 'high'."),
            "reasoning_effort",
            id="OpenAI",
        ),
        pytest.param(
            Fails(
                422,
                {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than or equal to 0.1"}]},
            ),
            "temperature",
            id="Mistral",
        ),
    ],
)
async def test_a_value_that_a_model_does_not_take_says_nothing_of_another(
    upstream: Upstream, refusal: Answer, left_out: str
) -> None:
    another = replace(SAMPLED, temperature=0.0, reasoning_effort="high")
    _, again, other = await sent(upstream, [refusal, Says("one"), Says("two")], SAMPLED, another)
    assert left_out not in again
    assert other[left_out] == getattr(another, left_out)


async def test_what_one_model_refuses_another_is_sent(upstream: Upstream) -> None:
    def gateway(body: dict[str, Any]) -> Answer:
        if body["model"] == "o4-mini" and "max_tokens" in body:
            return refuses("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if body["model"] == "mistral" and "max_completion_tokens" in body:
            return refuses("max_completion_tokens: Extra inputs are not permitted")
        return Says("Here.")

    requests = [replace(WITH_CODE, model=model, max_tokens=100) for model in ("o4-mini", "mistral", "o4-mini")]
    bodies = await sent(upstream, gateway, *requests)
    assert [(body["model"], "max_tokens" in body) for body in bodies] == [
        ("o4-mini", True),
        ("o4-mini", False),
        ("mistral", True),
        ("o4-mini", False),
    ]


async def test_a_model_that_knows_neither_name_for_the_number_of_tokens_is_asked_without_one(
    upstream: Upstream,
) -> None:
    answers = [
        refuses("Use 'max_completion_tokens' instead of 'max_tokens'."),
        refuses("Unrecognized request argument supplied: max_completion_tokens"),
        Says("Here."),
    ]
    *_, last = await sent(upstream, answers, replace(WITH_CODE, max_tokens=100))
    assert not {"max_tokens", "max_completion_tokens"} & set(last)


async def test_a_question_that_is_repeated_in_a_refusal_is_not_taken_for_the_reason(upstream: Upstream) -> None:
    wrong = {"loc": ["body", "messages"], "msg": "Field required", "input": {"temperature": 0.2, "top_p": 0.9}}
    with pytest.raises(ModelRefused):
        await sent(upstream, [Fails(422, {"detail": [wrong]})], SAMPLED)
    assert len(upstream.requests) == 1


async def test_a_prompt_that_is_too_long_is_not_taken_for_a_parameter(upstream: Upstream) -> None:
    with pytest.raises(PromptTooLong):
        await sent(upstream, [refuses("prompt is too long, whatever the temperature")], SAMPLED)
    assert len(upstream.requests) == 1


async def test_what_was_refused_while_another_run_found_it_out_is_asked_again(upstream: Upstream) -> None:
    upstream.will(lambda body: refuses("no top_p") if "top_p" in body else Says("Here."))
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(model.reply, SAMPLED, ignore)
    assert ["top_p" in asked.body for asked in upstream.requests].count(False) == 5


# A tool that has to be called

FORCED = replace(WITH_CODE, tool_choice={"type": "function", "function": {"name": "weather"}})
REQUIRED = replace(WITH_CODE, tool_choice="required")
STRINGS_ONLY = Fails(
    400, {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"}
)
THINKING = refuses("The tool_choice parameter does not support being set to required or object in thinking mode")


def choices(bodies: list[dict[str, Any]]) -> list[tuple[object, object]]:
    """What had to be called, and what was offered."""
    return [(body.get("tool_choice"), body["tools"]) for body in bodies]


async def test_where_no_tool_can_be_forced_by_name_it_is_the_only_one_that_is_offered(upstream: Upstream) -> None:
    answers = [STRINGS_ONLY, Says("one"), Says("two"), Says("three")]
    _, *later = choices(await sent(upstream, answers, FORCED, FORCED, WITH_CODE))
    assert later == [("required", [WEATHER]), ("required", [WEATHER]), (None, [INTERPRETER, WEATHER])]


async def test_where_none_can_be_forced_it_is_the_only_one_that_may_be_called(upstream: Upstream) -> None:
    answers = [THINKING, THINKING, Says("one"), Says("two"), Says("three")]
    _, second, *later = choices(await sent(upstream, answers, FORCED, FORCED, REQUIRED))
    assert second == ("required", [WEATHER])
    assert later == [(None, [WEATHER]), (None, [WEATHER]), (None, [INTERPRETER, WEATHER])]


async def test_a_choice_that_forces_nothing_is_refused_for_good(upstream: Upstream) -> None:
    with pytest.raises(ModelRefused):
        await sent(upstream, [refuses("tool_choice is malformed")], replace(WITH_CODE, tool_choice="none"))
    assert len(upstream.requests) == 1


# JSON

IN_JSON_MODE = replace(WITH_CODE, response_format={"type": "json_object"})
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
NO_JSON_MODE = Fails(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})


async def test_where_there_is_no_json_mode_any_object_is_asked_for_by_a_schema(upstream: Upstream) -> None:
    answers = [NO_JSON_MODE, Says("{}"), Says("{}"), Says("words")]
    bodies = await sent(upstream, answers, IN_JSON_MODE, IN_JSON_MODE, WITH_CODE)
    formats = [body.get("response_format") for body in bodies]
    assert formats == [{"type": "json_object"}, BY_SCHEMA, BY_SCHEMA, None]


async def test_a_schema_that_is_refused_is_refused_for_good(upstream: Upstream) -> None:
    with pytest.raises(ModelRefused):
        await sent(upstream, [NO_JSON_MODE] * 2, IN_JSON_MODE)
    assert len(upstream.requests) == 2


async def test_a_refusal_of_another_parameter_that_quotes_the_user_takes_nothing(upstream: Upstream) -> None:
    for param in ("messages[0].content", 7):
        refused = {"error": {"message": "Invalid content: 'Plot temperature and top_p'", "param": param}}
        with pytest.raises(ModelRefused):
            await sent(upstream, [Fails(400, refused)], SAMPLED)
        assert len(upstream.requests) == 1
