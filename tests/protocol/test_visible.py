"""What a person is shown of code: nothing that hides, and nothing that a terminal would obey."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.protocol.visible import hidden_in, visible

ANY = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\r\n\t\x1b\u202e\u200d\u2066\ufe0f\U000e0041")
)
HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY)
def test_nothing_hides_in_what_is_shown(text: str) -> None:
    shown = visible(text)
    assert [each for each in shown if each not in "\n\t" and unicodedata.category(each) in HIDING] == []
    assert hidden_in(shown) == ()


@given(ANY)
def test_what_is_shown_twice_is_shown_the_same(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(ANY)
def test_there_is_a_warning_exactly_where_something_was_spelled_out(text: str) -> None:
    assert bool(hidden_in(text)) == (visible(text) != text.replace("\r\n", "\n"))


@given(ANY, ANY)
def test_a_text_is_shown_as_its_lines_are(one: str, other: str) -> None:
    assert visible(f"{one}\n{other}") == visible(f"{one}\n") + visible(other)


def test_hiding_is_told_of_each_line_once_however_much_there_is() -> None:
    lines = hidden_in("变" * 1000 + "\u200b\u202e\u200b\n" * 1000)
    assert [line.partition(")")[2] for line in lines] == [" in lines 1, 2, 3, 4, 5 and 995 more"] * 2


@given(ANY, ANY)
def test_two_texts_that_differ_are_shown_differently_unless_one_spells_the_other(one: str, other: str) -> None:
    plain = [text.replace("\r\n", "\n") for text in (one, other)]
    if plain[0] != plain[1] and "<U+" not in one + other:
        assert visible(one) != visible(other)


def test_every_character_there_is() -> None:
    every = (chr(point) for point in range(sys.maxunicode + 1))
    assert {each for each in every if each not in "\n\t" and unicodedata.category(each) in HIDING} <= {
        each for each in map(chr, range(sys.maxunicode + 1)) if visible(each) != each
    }


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("print('\u202ecod.exe\u202c')", "print('<U+202E>cod.exe<U+202C>')"),
        ("ok = 1 # \x1b[2J\x1b[31mharmless", "ok = 1 # <U+001B>[2J<U+001B>[31mharmless"),
        ("safe = 1 # \rimport os", "safe = 1 # <U+000D>\nimport os"),
        ("a = 1\r\nb = 2\r\n", "a = 1\nb = 2\n"),
        ("x\u2028y\u2029z\x85", "x<U+2028>y<U+2029>z<U+0085>"),
        ("a\u3164 = 1", "a<U+3164> = 1"),
        ("'\U0001d159\U00016fe4'", "'<U+1D159><U+16FE4>'"),
        ("'\u200fשלום\u200e'", "'<U+200F>שלום<U+200E>'"),
        ("'می\u200cخواهم'", "'می<U+200C>خواهم'"),
        ("'👩\u200d🔬 ❤\ufe0f'", "'👩<U+200D>🔬 ❤<U+FE0F>'"),
        ("'\U000e0068\U000e0069'", "'<U+E0068><U+E0069>'"),
        ("'\ud800'", "'<U+D800>'"),
        ("a\xa0=\u30001", "a<U+00A0>=<U+3000>1"),
        ("\tשלום = 'é ü 漢字 🎉'\n", "\tשלום = 'é ü 漢字 🎉'\n"),
    ],
)
def test_the_tricks_that_are_known(code: str, shown: str) -> None:
    assert visible(code) == shown


def test_a_person_is_told_what_hides_and_where() -> None:
    code = "a\u202e\nb\u202e\u202e\nc\x1b\rd\u2066"
    assert hidden_in(code) == (
        "U+202E (right-to-left override) in lines 1, 2",
        "U+001B (escape, which commands a terminal) in line 3",
        "U+000D (carriage return, with which a line ends) in line 3",
        "U+2066 (left-to-right isolate) in line 4",
    )
    assert hidden_in("\u200b\n" * 9) == ("U+200B (zero width space) in lines 1, 2, 3, 4, 5 and 4 more",)
    assert hidden_in("".join(map(chr, range(0xE000, 0xE100))))[-1] == "and 236 other characters"
    assert hidden_in("print('שלום')\n\tok\r\n") == ()
