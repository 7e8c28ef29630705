"""Calls as endpoints of every make stream them: which piece is of which call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernelci.engine.events import CodeDelta, Event, TextDelta
from kernelci.engine.ports.model import CODE_TOOL
from tests.models.requests import FUNCTIONS_ONLY, INTERPRETER, WITH_CODE
from tests.upstream import Chunks, call_chunk, finish_chunk, text_chunk

CODE_ONLY = replace(WITH_CODE, tools=(INTERPRETER,))


def code_in(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, CodeDelta))


def piece(arguments=None, name=None, **more):
    return {**more, "function": {"name": name, "arguments": arguments}}


WHOLE = {"arguments": '{"code": "1 + 1"}', "name": CODE_TOOL}
BEGUN = {"arguments": '{"code": "1 ', "name": CODE_TOOL}
ENDED = {"arguments": '+ 1"}'}


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([[piece(**WHOLE)]], id="whole, without number and id"),
        pytest.param([[piece(**BEGUN)], [piece(**ENDED)]], id="in pieces without number and id"),
        pytest.param([[piece(**BEGUN, id="a")], [piece(**ENDED, id="a")]], id="in pieces with an id only"),
        pytest.param([[piece(**BEGUN, index=0, id="a")], [piece(**ENDED, index=0, id="b")]], id="an id a piece"),
        pytest.param([[piece(**BEGUN, index=0, id="")], [piece(**ENDED, index=0, id="")]], id="empty ids"),
        pytest.param([[piece(**BEGUN, index=0)], [piece(**ENDED, index=0, name=CODE_TOOL)]], id="a name a piece"),
        pytest.param([[piece('{"code": ', index=0)], [piece('"1 + 1"}', CODE_TOOL, index=0)]], id="a late name"),
        pytest.param([[piece({"code": "1 + 1"}, CODE_TOOL, index=0)]], id="arguments as an object"),
        pytest.param([[piece("1 + 1", CODE_TOOL, index=0)]], id="arguments that are no JSON"),
        pytest.param([[piece('"1 + 1"', CODE_TOOL, index=0)]], id="arguments that are a JSON string"),
        pytest.param([[piece(**WHOLE, index=0, id=7)]], id="an id that is a number"),
        pytest.param([[piece(**BEGUN, index="0")], [piece(**ENDED, index="0")]], id="a number that is text"),
        pytest.param([[piece(**BEGUN, index="", id={})], [piece(**ENDED)]], id="a number and an id that are none"),
        pytest.param(
            [[piece(each, CODE_TOOL, index=0)] for each in ('{"code"', ': "1 + 1', '"}', "")],
            id="a name a piece, the last without arguments",
        ),
        pytest.param(
            [[piece(each, CODE_TOOL, index=0, id="a")] for each in ('{"code"', ': "1 + 1', '"}', "\n")],
            id="a name and an id a piece",
        ),
        pytest.param(
            [[piece("", "code_", index=0)], [piece(**WHOLE | {"name": "interpreter"}, index=0)]],
            id="a name in pieces",
        ),
    ],
)
async def test_a_call_of_any_make(asked, chunks):
    events, reply = await asked(Chunks([*(call_chunk(*pieces) for pieces in chunks), finish_chunk("tool_calls")]))
    assert [call.code for call in reply.calls] == ["1 + 1"]
    assert code_in(events) == "1 + 1"


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([[piece(**WHOLE), piece(**WHOLE)]], id="at once, without number and id"),
        pytest.param([[piece(**WHOLE, id="a"), piece(**WHOLE, id="b")]], id="at once, with ids only"),
        pytest.param([[piece(**WHOLE, index=0, id="a")], [piece(**WHOLE, index=0, id="b")]], id="both number 0"),
        pytest.param([[piece(**WHOLE, index=0)], [piece(**WHOLE, index=0)]], id="both number 0, without ids"),
        pytest.param(
            [[piece(**WHOLE, index=0, id=""), piece(**WHOLE, index=0, id="")]], id="at once, both number 0"
        ),
        pytest.param(
            [[piece(**each, index=0)] for each in (BEGUN, ENDED, BEGUN, ENDED)], id="in pieces, both number 0"
        ),
        pytest.param(
            [[piece('{"code": "1 + 1", "x": {"}": "\\"}"}}', CODE_TOOL, index=0)], [piece(**WHOLE, index=0)]],
            id="braces within the first",
        ),
        pytest.param(
            [
                [piece(**BEGUN, index=0, id="a"), piece(**BEGUN, index=1, id="b")],
                [piece(**ENDED, index=1), piece(**ENDED, index=0)],
            ],
            id="interleaved",
        ),
    ],
)
async def test_two_calls_of_any_make(asked, chunks):
    events, reply = await asked(Chunks([*(call_chunk(*pieces) for pieces in chunks), finish_chunk("tool_calls")]))
    assert [call.code for call in reply.calls] == ["1 + 1", "1 + 1"]
    assert code_in(events) == "1 + 1"


@pytest.mark.parametrize("ids", [({}, {}), ({"id": ""}, {"id": ""}), ({"id": "a"}, {"id": "a"})])
async def test_a_call_of_another_tool_is_another_call_whatever_its_number_and_id(asked, ids):
    first = piece('{"code": "6 * ', CODE_TOOL, index=0, **ids[0])
    second = piece('{"city": "Haifa"}', "weather", index=0, **ids[1])
    _, reply = await asked(Chunks([call_chunk(first, second), finish_chunk("tool_calls")]))
    assert [(call.name, call.code) for call in reply.calls] == [(CODE_TOOL, "6 * "), ("weather", None)]


@pytest.mark.parametrize("pieces", [[WHOLE], [BEGUN, ENDED]], ids=["whole", "in pieces"])
async def test_a_call_in_the_form_that_the_api_began_with(asked, pieces):
    deltas = [{"choices": [{"index": 0, "delta": {"content": None, "function_call": each}}]} for each in pieces]
    events, reply = await asked(Chunks([*deltas, finish_chunk("function_call")]))
    assert [call.code for call in reply.calls] == ["1 + 1"]
    assert code_in(events) == "1 + 1"


async def test_a_call_without_arguments_runs_nothing(asked):
    _, reply = await asked(Chunks([call_chunk(piece(None, CODE_TOOL, index=0)), finish_chunk()]))
    assert reply.calls[0].code == ""


@pytest.mark.parametrize("wanted", [FUNCTIONS_ONLY, WITH_CODE, CODE_ONLY], ids=["functions", "both", "code"])
@pytest.mark.parametrize(
    "more", [{"index": 0, "id": ""}, {"index": 0, "id": "a"}, {}], ids=["empty", "an id", "bare"]
)
async def test_an_empty_piece_begins_no_call(asked, more, wanted):
    events, reply = await asked(
        Chunks([call_chunk(piece("", "", **more)), text_chunk("Hello, you."), finish_chunk()]), wanted
    )
    assert (reply.text, reply.calls) == ("Hello, you.", ())
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello, you."


async def test_an_empty_piece_takes_no_words_from_the_call_before_it(asked):
    chunks = [call_chunk(piece(**WHOLE, index=0)), call_chunk(piece("", "", index=1)), text_chunk("Done.")]
    _, reply = await asked(Chunks([*chunks, finish_chunk("tool_calls")]))
    assert [(call.code, call.then) for call in reply.calls] == [("1 + 1", "Done.")]


async def test_where_one_call_is_allowed_it_has_what_is_said_after_the_others(asked):
    written = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>' * 2
    request = replace(WITH_CODE, parallel_tool_calls=False)
    _, reply = await asked(Chunks([text_chunk(f"{written}\nI asked both."), finish_chunk()]), request)
    assert [(call.name, call.then.strip()) for call in reply.calls] == [("weather", "I asked both.")]
    two = [call_chunk(piece(**WHOLE, index=0)), text_chunk("One. "), call_chunk(piece(**WHOLE, index=1))]
    _, reply = await asked(Chunks([*two, text_chunk("Two."), finish_chunk()]), request)
    assert [call.then for call in reply.calls] == ["One. Two."]


async def test_code_cut_short_is_kept_as_far_as_it_goes(asked):
    call = {"index": 0, "function": {"name": CODE_TOOL, "arguments": '{"code": "for x in '}}
    events, reply = await asked(Chunks([call_chunk(call), finish_chunk("length")]))
    assert reply.finish == "length"
    assert code_in(events) == reply.calls[0].code == "for x in "
