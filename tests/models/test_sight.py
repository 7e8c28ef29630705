"""Pictures in a question: where they stand in it, and how it is found out what a model takes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from kernelci.engine.ports.model import Figures, ModelRequest
from kernelci.errors import ModelRefused, PromptTooLong
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.models.requests import WITH_CODE
from tests.upstream import Chunks, Fails, Says, Upstream

CALLS = [
    {"id": id, "type": "function", "function": {"name": "code_interpreter", "arguments": '{"code": "plot()"}'}}
    for id in ("call_1", "call_2")
]
HISTORY = (
    {"role": "user", "content": "Draw."},
    {"role": "assistant", "content": "", "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "call_1", "content": "one"},
    {"role": "tool", "tool_call_id": "call_2", "content": "two"},
)
FIGURES = Figures("call_1", ("data:image/png;base64,AAAA", "", "data:image/png;base64,BBBB"))
DRAWN = replace(WITH_CODE, messages=HISTORY, figures=FIGURES)
POSTED = replace(
    WITH_CODE,
    messages=(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,CCCC"}},
            ],
        },
    ),
)


async def ignore(event: object) -> None:
    del event


async def ask(upstream: Upstream, answers: list[Any], *requests: ModelRequest, asks: bool = True) -> None:
    """Ask one model after another."""
    upstream.will(answers)
    upstream.looked.clear()
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client, asks=asks)
        for request in requests:
            await model.reply(request, ignore)


@pytest.fixture(autouse=True)
def described(upstream: Upstream) -> dict[str, Any]:
    upstream.described = {}
    return upstream.described


def shown(body: Any) -> list[list[str]]:
    """The pictures in each message of a user's."""
    users = [each["content"] for each in body["messages"] if each["role"] == "user"]
    return [[part["image_url"]["url"][-4:] for part in each if "image_url" in part] for each in users]


async def test_figures_follow_the_results_of_their_reply(upstream: Upstream) -> None:
    later = replace(DRAWN, messages=(*HISTORY, {"role": "assistant", "content": "There."}))
    await ask(upstream, [Says("Nice."), Says("Nice.")], DRAWN, later)
    first, second = (asked.body["messages"] for asked in upstream.requests)
    assert second[:-1] == first
    assert first[:-1] == list(HISTORY)
    assert first[-1] == {
        "role": "user",
        "content": [
            {"type": "text", "text": "[The 2 figures, in order, that the code displayed:]"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}},
        ],
    }


async def test_figures_whose_call_has_been_left_out_are_too(upstream: Upstream) -> None:
    await ask(upstream, [Says("Hm.")], replace(DRAWN, messages=HISTORY[:1]))
    assert upstream.requests[0].body["messages"] == list(HISTORY[:1])


REFUSALS = {
    "Ollama": (400, {"error": {"message": "this model does not support image input"}}),
    "Ollama, older": (500, {"error": {"message": "this model is missing data required for image input"}}),
    "llama.cpp": (500, {"error": {"message": "image input is not supported - hint: you may need the mmproj"}}),
    "llama.cpp, older": (
        500,
        {"error": {"message": 'Unsupported content part type: "image_url"; messages = [data:image/png;base64,AA]'}},
    ),
    "LM Studio": (400, {"error": "Model does not support images. Please use a model that does."}),
    "vLLM": (400, {"object": "error", "message": "m is not a multimodal model"}),
    "vLLM, none": (400, {"object": "error", "message": "At most 0 image(s) may be provided in one prompt."}),
    "OpenAI": (400, {"error": {"message": "Invalid content type. image_url is only supported by certain models."}}),
    "DeepSeek": (422, {"error": {"message": "messages[4]: unknown variant `image_url`, expected `text`"}}),
    "Groq": (400, {"error": {"message": "'messages.4' : 'content' : value must be a valid string"}}),
    "OpenRouter": (404, {"error": {"message": "No endpoints found that support image input"}}),
}


@pytest.mark.parametrize("request_", [DRAWN, POSTED], ids=["figures", "posted"])
@pytest.mark.parametrize("maker", REFUSALS)
async def test_a_model_that_takes_no_pictures_is_sent_none_after_the_first(
    upstream: Upstream, maker: str, request_: ModelRequest
) -> None:
    refusal = Fails(*REFUSALS[maker])
    await ask(upstream, [refusal, Says("Blind."), Says("Blind.")], request_, request_)
    refused, again, later = (asked.body for asked in upstream.requests)
    assert shown(refused)[-1]
    assert not any(shown(again))
    assert later == again
    assert all(isinstance(message["content"], str) for message in later["messages"])


@pytest.mark.parametrize(
    "refusal", [{"error": {"message": "Model does not support images."}}, {"error": "No images."}]
)
async def test_a_refusal_may_be_the_first_event_of_a_stream(upstream: Upstream, refusal: Any) -> None:
    await ask(upstream, [Chunks([refusal]), Says("Blind."), Says("Blind.")], DRAWN, DRAWN)
    assert [bool(any(shown(asked.body))) for asked in upstream.requests] == [True, False, False]


async def test_a_model_that_takes_one_is_sent_the_last(upstream: Upstream) -> None:
    refusal = Fails(400, {"message": "At most 1 image(s) may be provided in one request."})
    await ask(upstream, [refusal, Says("One."), Says("One.")], DRAWN, DRAWN)
    assert [shown(asked.body)[-1] for asked in upstream.requests] == [["AAAA", "BBBB"], ["BBBB"], ["BBBB"]]


async def test_one_picture_that_is_refused_says_nothing_of_the_next(upstream: Upstream) -> None:
    refusal = Fails(
        400, {"error": {"message": "You uploaded an unsupported image.", "code": "invalid_image_format"}}
    )
    await ask(upstream, [refusal, Says("Hm."), Says("Ah.")], POSTED, DRAWN)
    assert [shown(asked.body)[-1] for asked in upstream.requests] == [["CCCC"], [], ["AAAA", "BBBB"]]


async def test_where_no_user_may_follow_a_tool_figures_stay_away_and_posted_pictures_do_not(
    upstream: Upstream,
) -> None:
    refusal = Fails(400, {"message": "Unexpected role 'user' after role 'tool'"})
    both = replace(DRAWN, messages=(*POSTED.messages, *HISTORY))
    await ask(upstream, [refusal, Says("Hm."), Says("Hm.")], both, both)
    assert ["AAAA" in str(asked.body) for asked in upstream.requests] == [True, False, False]
    assert all("CCCC" in str(asked.body) for asked in upstream.requests)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Fails(400, {"error": {"message": "temperature is too high"}}), ModelRefused),
        (
            Fails(
                400, {"message": "The prompt is longer than the maximum model length, multimodal tokens included"}
            ),
            PromptTooLong,
        ),
    ],
)
async def test_a_refusal_for_another_reason_stays_one(
    upstream: Upstream, refusal: Fails, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await ask(upstream, [refusal], DRAWN)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("path", "described", "sees"),
    [
        ("/api/show", {"capabilities": ["completion", "tools"]}, False),
        ("/api/show", {"capabilities": ["completion", "vision"]}, True),
        ("/api/show", {"details": {}}, True),
        ("/props", {"modalities": {"vision": False, "audio": True}}, False),
        ("/props", {"modalities": {"vision": True}}, True),
        ("/props", {"modalities": ["text"]}, True),
        ("/api/v0/models/gpt-4o", {"type": "llm"}, False),
        ("/api/v0/models/gpt-4o", {"type": "vlm"}, True),
        ("/props", {}, True),
    ],
)
async def test_a_server_of_this_machine_is_asked_first_and_once(
    upstream: Upstream, caplog: pytest.LogCaptureFixture, path: str, described: Any, *, sees: bool
) -> None:
    upstream.described = {path: described}
    caplog.set_level(logging.INFO, "kernelci")
    await ask(upstream, [Says("Hm."), Says("Hm.")], DRAWN, DRAWN)
    assert [bool(any(shown(asked.body))) for asked in upstream.requests] == [sees, sees]
    assert sorted(upstream.looked) == ["/api/ps", "/api/show", f"/api/v0/models/{WITH_CODE.model}", "/props"]
    found = [] if sees else [f"the model at {upstream.host} takes no pictures"]
    assert [record.message for record in caplog.records if record.name.startswith("kernelci")] == found


async def test_nobody_is_asked_without_pictures_or_where_that_is_not_wanted(upstream: Upstream) -> None:
    upstream.described = {"/props": {"modalities": {"vision": False}}}
    await ask(upstream, [Says("Hm.")], WITH_CODE)
    assert upstream.looked == []
    await ask(upstream, [Says("Hm.")], DRAWN, asks=False)
    assert (upstream.looked, shown(upstream.requests[0].body)[-1]) == ([], ["AAAA", "BBBB"])


async def test_a_model_without_tools_has_the_figures_in_the_message_with_the_results(upstream: Upstream) -> None:
    refusal = Fails(400, {"error": {"message": "m does not support tools"}})
    await ask(upstream, [refusal, Says("Nice.")], DRAWN)
    told = upstream.requests[-1].body["messages"]
    assert [each["role"] for each in told] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in told[-1]["content"]] == ["text", "text", "image_url", "image_url"]
