"""Every shape in which endpoints stream a reply, over real HTTP, and the events that come of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernelci.engine.counting import PICTURE_TOKENS
from kernelci.engine.events import Call, CallDelta, CodeDelta, Event, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports.model import CODE_TOOL, READ_TOOL, ModelRequest, Reply
from kernelci.protocol.usage import Usage
from tests.models.requests import FUNCTIONS_ONLY, INTERPRETER, WITH_CODE
from tests.upstream import (
    Calls,
    Chunks,
    Runs,
    Says,
    call_chunk,
    finish_chunk,
    text_chunk,
    usage_chunk,
)

COUNTED = UsageCounted(Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15))


def code_in(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, CodeDelta))


# Text


async def test_text_is_told_as_it_comes(asked):
    events, reply = await asked(Says("Because it is."))
    assert events == [TextDelta("Because "), TextDelta("it "), TextDelta("is."), COUNTED, TextDone()]
    assert reply == Reply("Because it is.", usage=COUNTED.usage)


async def test_leading_white_space_waits_for_a_letter(asked):
    events, reply = await asked(
        Chunks([text_chunk("\n"), text_chunk(""), text_chunk(" \n"), text_chunk("x"), finish_chunk()])
    )
    assert events[0] == TextDelta("\n \nx")
    assert reply.text == "\n \nx"


async def test_a_reply_of_white_space_says_nothing(asked):
    events, reply = await asked(Chunks([text_chunk("\n\n"), finish_chunk(), usage_chunk(10, 5)]))
    assert events == [COUNTED]
    assert reply.text == ""


async def test_a_refusal_is_text(asked):
    refused = {"choices": [{"index": 0, "delta": {"content": None, "refusal": "I must not."}}]}
    events, _ = await asked(Chunks([refused, finish_chunk(), usage_chunk(10, 5)]))
    assert events == [TextDelta("I must not."), COUNTED, TextDone()]


async def test_a_character_split_between_two_chunks_comes_whole(asked):
    halves = [
        r'{"choices":[{"index":0,"delta":{"content":"\ud83d"}}]}',
        r'{"choices":[{"index":0,"delta":{"content":"\ude00!"}}]}',
    ]
    events, reply = await asked(Chunks([*halves, finish_chunk(), usage_chunk(10, 5)]))
    assert events == [TextDelta("😀!"), COUNTED, TextDone()]
    assert reply.text == "😀!"


@pytest.mark.parametrize(
    ("said", "finish"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")],
)
async def test_why_the_reply_ended(asked, said, finish):
    _, reply = await asked(Says("Once upon a", finish=said))
    assert reply.finish == finish


@pytest.mark.parametrize(("finish", "text"), [("stop", "Six, perhaps."), ("length", ""), ("content_filter", "")])
async def test_thoughts_are_said_where_they_are_all_and_the_reply_is_over(asked, finish, text):
    thought = {"choices": [{"index": 0, "delta": {"reasoning_content": "Six, perhaps."}}]}
    _, reply = await asked(Chunks([thought, text_chunk("\n"), finish_chunk(finish)]))
    assert (reply.text.strip(), reply.finish) == (text, finish)


async def test_what_is_not_the_first_choice_or_not_known_is_passed_over(asked):
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}], "x": 1}
    thought = {"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning_content": "hm"}}], "usage": None}
    nothing = [{"choices": []}, {"choices": None}, {"choices": [{"index": 0, "delta": None}]}]
    events, _ = await asked(
        Chunks([other, thought, *nothing, text_chunk("yes"), finish_chunk(), usage_chunk(10, 5)])
    )
    assert events == [TextDelta("yes"), COUNTED, TextDone()]


# Code


async def test_code_is_told_as_it_is_written(asked):
    pieces = ['{"co', 'de": "x = ', "1\\", 'nx"', "}"]
    first = {"index": 0, "id": "theirs", "type": "function", "function": {"name": CODE_TOOL, "arguments": ""}}
    rest = [call_chunk({"index": 0, "function": {"arguments": piece}}) for piece in pieces]
    events, reply = await asked(Chunks([call_chunk(first), *rest, finish_chunk("tool_calls"), usage_chunk(10, 5)]))
    (call,) = reply.calls
    assert events == [CodeDelta(call.id, "x = "), CodeDelta(call.id, "1"), CodeDelta(call.id, "\nx"), COUNTED]
    assert call == Call(call.id, CODE_TOOL, '{"code": "x = 1\\nx"}', "x = 1\nx")
    assert call.id.startswith("call_")
    assert call.id != "theirs"


async def test_text_before_code_is_not_declared_done(asked):
    events, reply = await asked(Says("Let me see.\n") + Runs("1/0"))
    assert events == [
        *(TextDelta(word) for word in ("Let ", "me ", "see.\n")),
        CodeDelta(reply.calls[0].id, "1/0"),
        COUNTED,
    ]
    assert reply.text == "Let me see.\n"


async def test_white_space_before_code_opens_no_message(asked):
    events, reply = await asked(Says("\n\n") + Runs("1/0"))
    assert events == [CodeDelta(reply.calls[0].id, "1/0"), COUNTED]


async def test_text_after_a_call_is_dropped(asked):
    call = {"index": 0, "function": {"name": CODE_TOOL, "arguments": '{"code": "1"}'}}
    events, reply = await asked(Chunks([call_chunk(call), text_chunk("Done."), finish_chunk(), usage_chunk(10, 5)]))
    assert events == [CodeDelta(reply.calls[0].id, "1"), COUNTED]
    assert reply.text == ""


async def test_only_the_first_of_two_calls_is_told_live(asked):
    events, reply = await asked(Runs("a = 1") + Runs("a"))
    first, second = reply.calls
    assert (first.code, second.code) == ("a = 1", "a")
    assert {event.call_id for event in events if isinstance(event, CodeDelta)} == {first.id}
    assert first.id != second.id


async def test_code_after_a_function_is_not_told_live(asked):
    events, reply = await asked(Calls("weather", {"city": "חיפה"}) + Runs("1"))
    assert events == [COUNTED]
    assert [call.code for call in reply.calls] == [None, "1"]


async def test_what_a_reply_can_be_read_without_may_have_any_shape(asked):
    odd = {"index": [], "delta": {"content": "Yes", "reasoning": {"text": "Hm"}}, "finish_reason": {}}
    events, reply = await asked(Chunks([{"choices": [odd], "usage": []}, finish_chunk(), usage_chunk(10, 5)]))
    assert events == [TextDelta("Yes"), COUNTED, TextDone()]
    assert reply.finish == "stop"


# Functions


async def test_functions_are_told_live_where_no_code_is_offered(asked):
    arguments = '{"city": "Haifa"}'
    events, reply = await asked(
        Says("Wait.") + Calls("weather", arguments) + Calls("weather", "{}"), FUNCTIONS_ONLY
    )
    first, second = reply.calls
    assert events == [
        TextDelta("Wait."),
        CallDelta(first.id, "weather", ""),
        CallDelta(first.id, "weather", '{"city":'),
        CallDelta(first.id, "weather", ' "Haifa"'),
        CallDelta(first.id, "weather", "}"),
        CallDelta(second.id, "weather", ""),
        CallDelta(second.id, "weather", "{}"),
        COUNTED,
    ]
    assert [call.arguments for call in reply.calls] == [arguments, "{}"]
    assert first.code is None


async def test_an_interpreter_that_was_not_offered_is_a_function_like_any(asked):
    events, reply = await asked(Runs("1"), FUNCTIONS_ONLY)
    assert reply.calls[0].code is None
    assert not code_in(events)


async def test_functions_are_not_told_live_beside_an_interpreter(asked):
    events, reply = await asked(Says("Wait.") + Calls("weather", {}))
    assert events == [TextDelta("Wait."), COUNTED]
    assert reply.calls[0].name == "weather"


async def test_a_call_without_a_name_is_code_beside_the_reader_too(asked):
    reader = {"type": "function", "function": {"name": READ_TOOL}}
    _, reply = await asked(Calls("", {"code": "6 * 7"}), replace(WITH_CODE, tools=(WITH_CODE.tools[0], reader)))
    assert [call.code for call in reply.calls] == ["6 * 7"]
    _, reply = await asked(Calls("", {"code": "6 * 7"}))  # a function of the client's may be meant
    assert [call.code for call in reply.calls] == [None]


# Counting


async def test_what_is_not_counted_is_estimated(asked):
    _, reply = await asked(Says("12345678", usage=None), ModelRequest("m", ({"role": "user", "content": "1234"},)))
    assert reply.usage == Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3, estimated=True)


async def test_pictures_are_counted_as_such_and_not_as_letters(asked):
    content = [{"type": "text", "text": "1234"}, {"type": "image_url", "image_url": {"url": "data:," + "x" * 1000}}]
    _, reply = await asked(Says("1234", usage=None), ModelRequest("m", ({"role": "user", "content": content},)))
    assert reply.usage.prompt_tokens == 1 + PICTURE_TOKENS


async def test_a_count_that_grows_is_the_last_one(asked):
    running = {**text_chunk("Yes"), "usage": {"prompt_tokens": 10, "completion_tokens": 1}}
    last = {**finish_chunk(), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": None}}
    _, reply = await asked(Chunks([running, last], done=False))
    assert reply.usage == COUNTED.usage


@pytest.mark.parametrize(
    ("counted", "written"),
    [
        pytest.param({"total_tokens": 1015}, 1005, id="in the total alone"),
        pytest.param(
            {"total_tokens": 15, "completion_tokens_details": {"reasoning_tokens": 1000}}, 1005, id="apart"
        ),
        pytest.param(
            {"total_tokens": 1015, "completion_tokens_details": {"reasoning_tokens": 1000}}, 1005, id="both"
        ),
        pytest.param(
            {"total_tokens": 15, "completion_tokens_details": {"reasoning_tokens": 4}}, 5, id="in the reply"
        ),
        pytest.param({"total_tokens": 15, "completion_tokens_details": None}, 5, id="none"),
        pytest.param({"total_tokens": 515, "prompt_tokens_details": {"cached_tokens": 500}}, 5, id="a cache's"),
        pytest.param({"total_tokens": 3}, 5, id="a total of less"),
        pytest.param({"total_tokens": 10**12}, 5, id="a total beyond any reply"),
    ],
)
async def test_thoughts_are_counted_once_wherever_an_endpoint_counts_them(asked, counted, written):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, **counted}
    _, reply = await asked(Chunks([text_chunk("Yes"), finish_chunk(), {"choices": [], "usage": usage}]))
    assert (reply.usage.completion_tokens, reply.usage.total_tokens) == (written, 10 + written)
    assert not reply.usage.estimated


# The question


async def test_the_request_is_sent_as_it_is_and_nothing_more(asked, upstream):
    request = ModelRequest(
        "qwen3:8b",
        ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "שלום"}),
        tools=(INTERPRETER,),
        tool_choice={"type": "function", "function": {"name": CODE_TOOL}},
        temperature=0.2,
        response_format={"type": "json_object"},
    )
    await asked(Says("Hi."), request)
    assert upstream.requests[0].body == {
        "model": "qwen3:8b",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "שלום"}],
        "tools": [INTERPRETER],
        "tool_choice": {"type": "function", "function": {"name": CODE_TOOL}},
        "temperature": 0.2,
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
