"""Half-written JSON gives its code piece by piece, wherever it is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernelci.models.arguments import code_in
from kernelci.models.partial import Characters, PartialCode, whole

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("code"), inner, max_size=3),
    max_leaves=8,
)


def pieces(text: str, cuts: list[int]) -> list[str]:
    at = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


@given(
    before=st.dictionaries(st.text().filter(lambda key: key != "code"), values, max_size=3),
    code=st.text(),
    after=st.dictionaries(st.text().filter(lambda key: key != "code"), values, max_size=2),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 2),
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
)
@example(
    before={"a": {"code": "not this"}}, code="é😀\n", after={}, ascii_only=True, indent=None, cuts=list(range(99))
)
def test_the_pieces_add_up_to_the_code(before, code, after, ascii_only, indent, cuts):
    written = json.dumps({**before, "code": code, **after}, ensure_ascii=ascii_only, indent=indent)
    decoder = PartialCode()
    decoded = [decoder.feed(piece) for piece in pieces(written, cuts)]
    assert "".join(decoded) + decoder.close() == code
    assert decoder.found
    assert not decoder.broken
    assert code_in(written) == code


def test_code_is_decoded_as_it_comes():
    decoder = PartialCode()
    assert [decoder.feed(piece) for piece in ('{"co', 'de": "a', ' = \\', 'n\\u00', 'e9', '"', "}\n")] == [
        "", "a", " = ", "\n", "é", "", "",
    ]  # fmt: skip


@given(st.text(), st.lists(st.integers(0, 10_000), max_size=9))
def test_no_text_breaks_the_decoder(text, cuts):
    decoder = PartialCode()
    for piece in pieces(text, cuts):
        whole(decoder.feed(piece)).encode()
    code_in(text).encode()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param('{"code": "1 + 1"}', "1 + 1", id="as asked"),
        pytest.param('"1 + 1"', "1 + 1", id="a JSON string"),
        pytest.param("print('hi')", "print('hi')", id="Python itself"),
        pytest.param("", "", id="nothing"),
        pytest.param('{"code": "for x in y:\n\tz"}', "for x in y:\n\tz", id="raw line breaks and tabs"),
        pytest.param('{"code": "1 + 1"', "1 + 1", id="the object stops short"),
        pytest.param('{"code": "1 + 1', "1 + 1", id="the string stops short"),
        pytest.param('{"code": "1 + 1",}', "1 + 1", id="a comma too many"),
        pytest.param('{"code": "print("hi")"}', 'print("hi")', id="quotes not escaped"),
        pytest.param('{"code": 5}', '{"code": 5}', id="not a string"),
        pytest.param('{"code": "\\ud83d"}', "\ufffd", id="half a character"),
        pytest.param('{"code": "\\ud83d\\ude00"', "😀", id="a pair of escapes"),
        pytest.param('{"code": "\\x41"}', "\\x41", id="no escape of JSON"),
        pytest.param("[" * 100_000, "[" * 100_000, id="deep nesting"),
    ],
)
def test_code_in_arguments_well_formed_or_not(arguments, code):
    assert code_in(arguments) == code


@given(st.text(st.characters()), st.lists(st.integers(0, 10_000), max_size=9))
@example("😀", [1])
def test_split_surrogates_come_together(text, cuts):
    halves = "".join(map(chr, memoryview(text.encode("utf-16-le")).cast("H")))
    joined = Characters()
    assert "".join(joined.feed(piece) for piece in pieces(halves, cuts)) + joined.close() == text


def test_a_lone_surrogate_is_replaced():
    joined = Characters()
    assert joined.feed("a\ud83d") == "a"
    assert joined.feed("b\ude00") == "\ufffdb\ufffd"
    assert joined.feed("\ud83d") + joined.close() == "\ufffd"
