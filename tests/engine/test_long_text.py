"""Texts that are too long: what is shown of them, how the rest is read, and that it takes no time to speak of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.engine.long_text import ROW, abridged, count, found, part

LINES = "\n".join(f"line {number}" for number in range(1, 5001))
TEXTS = st.lists(st.sampled_from(["\n", "a", "no end ", "x" * ROW, "y" * (2 * ROW + 1)]), max_size=30).map("".join)


def test_a_long_text_is_shown_by_whole_lines_of_its_beginning_and_end() -> None:
    told = abridged(LINES, 1000, "out_3", "ask for more")
    assert told.startswith("line 1\nline 2\n")
    assert told.endswith("\nline 4999\nline 5000")
    assert (
        "\n[… out_3 goes on: 5,000 lines with 48,892 characters in all; lines 64 to 4,950 are not shown here; "
        "ask for more …]\nline 4951\n"
    ) in told
    assert "line 63\n" in told
    assert "line 64\n" not in told


def test_one_endless_line_is_counted_as_many() -> None:
    told = abridged("x" * 100_000, 1000)
    assert told.count("x") == 300 + 400
    assert "334 lines with 100,000 characters" in told
    assert part("x" * 601, 3, None, 1000) == "[lines 3 to 3 of 3]\nx"


@given(TEXTS, st.integers(1, 2000))
def test_an_abridged_text_has_a_beginning_and_an_end_of_the_whole_and_not_much_more(text: str, room: int) -> None:
    told = abridged(text, room)
    if len(text) <= room:
        assert told == text
    else:
        head, note, tail = re.split(r"\n?(\[… [^\n]* …\])\n", told)
        assert text.startswith(head) and text.endswith(tail)
        assert len(head) + len(tail) <= room + 1
        assert f"{count(text):,} lines with {len(text):,} characters" in note


@given(TEXTS, st.integers(ROW, 2000))
def test_page_by_page_nothing_is_lost(text: str, room: int) -> None:
    read, row, rows = "", 1, max(1, count(text))
    while row <= rows:
        head, _, shown = part(text, row, None, room).partition("\n")
        first, last, of = (int(number) for number in re.findall(r"\d+", head))
        assert (first, of) == (row, rows)
        shown = re.sub(r"\n\[… .* …\]\Z", "", shown)
        assert len(shown) <= room
        read += shown
        row = last + 1
    assert read.replace("\n", "") == text.replace("\n", "")


def test_parts_that_there_are_not() -> None:
    assert part(LINES, 5001, None, 1000) == part(LINES, 20, 10, 1000) == "[There are lines 1 to 5,000.]"
    assert (
        part(LINES, -2, None, 1000)
        == part(LINES, -2, -1, 1000)
        == "[lines 4,999 to 5,000 of 5,000]\nline 4999\nline 5000"
    )
    assert part(LINES, -9999, 1, 1000) == "[lines 1 to 1 of 5,000]\nline 1"
    assert part(LINES, 4998, -3, 1000) == "[lines 4,998 to 4,998 of 5,000]\nline 4998"
    assert part(LINES, 10, -9999, 1000) == "[There are lines 1 to 5,000.]"
    assert part("", 1, None, 1000) == "[lines 1 to 1 of 1]\n"


def test_what_is_found_comes_with_the_lines_beside_it() -> None:
    assert found(LINES, "LINE 77", 70, 30) == (
        "['LINE 77': in 11 lines from line 70 on, 1 of them shown; search again with from_line=770 for the next]\n"
        "76: line 76\n77: line 77\n78: line 78"
    )
    assert found(LINES, "line 1234|nothing|line 99$", 1, 1000).endswith(
        "1233: line 1233\n1234: line 1234\n1235: line 1235"
    )
    assert found(LINES, "nothing", 1, 1000) == "['nothing': in none of the 5,000 lines]"
    assert found("ΐ İ\nfound", "Found", 1, 1000) == "['Found': in none of the 2 lines]"
    assert "2: found" in found("ΐ İ\nfound", "found", 1, 1000)


@given(TEXTS, st.sampled_from(["a", "no", "x" * ROW, "yy", "d a"]), st.integers(1, 30))
def test_each_line_that_has_it_is_found_and_numbered_as_it_is_read(text: str, wanted: str, first: int) -> None:
    rows = [row for line in text.removesuffix("\n").split("\n") for row in re.findall(rf".{{1,{ROW}}}|\A\Z", line)]
    assert len(rows) == max(1, count(text))
    # A text is found in the row in which it begins, and may end in the next one of its line.
    longer = [row + (later if len(row) == ROW else "") for row, later in zip(rows, [*rows[1:], ""], strict=True)]
    expected = [at for at, row in enumerate(longer, 1) if at >= first and 0 <= row.find(wanted) < len(rows[at - 1])]
    told = found(text, wanted, first, 100_000)
    number = re.search(r"in (\d+|none)\b", told.partition("]")[0])
    assert number and number[1] == (str(len(expected)) if expected else "none")
    shown = {int(at): row for at, row in re.findall(r"(?m)^(\d+): (.*)$", told)}
    assert set(expected) <= set(shown)
    assert all(row == rows[at - 1].rstrip("\n") for at, row in shown.items())


def test_any_of_a_few_texts_is_found_and_more_are_said_to_be_too_many() -> None:
    assert found(LINES, "LINE 7$|Line 4999|line 12\n|", 1, 1000) == (
        "['LINE 7$|Line 4999|line 12\\n|': in 2 lines, 2 of them shown]\n"
        "11: line 11\n12: line 12\n13: line 13\n…\n4998: line 4998\n4999: line 4999\n5000: line 5000"
    )
    assert found(LINES, "|".join("abcdfghjkm"), 1, 1000) == (
        "['a|b|c|d|f|g|h|j|k|m': in none of the 5,000 lines; only the first 8 texts were looked for]"
    )
    assert found(LINES, "|", 1, 1000) == "['|': in none of the 5,000 lines]"
    assert found("a|b\nb", "a|b", 1, 1000) == "['a|b': in 1 line, 1 of them shown]\n1: a|b\n2: b"


class Watched(str):
    """A text that knows how many of its characters have been looked at."""

    seen: list[int]

    def lower(self) -> Watched:
        return watched(super().lower(), self.seen)

    def find(self, wanted: str, *place: int) -> int:
        at = super().find(wanted, *place)
        self._look(at, *place)
        return at

    def rfind(self, wanted: str, *place: int) -> int:
        at = super().rfind(wanted, *place)
        begin, end = (*place, *(0, len(self))[len(place) :])
        self._look(min(end, len(self)), max(begin, at))
        return at

    def count(self, wanted: str, *place: int) -> int:
        self._look(-1, *place)
        return super().count(wanted, *place)

    def _look(self, at: int, *place: int) -> None:
        begin, end = (*place, *(0, len(self))[len(place) :])
        self.seen.append((at + 1 if at >= 0 else min(end, len(self))) - begin)


def watched(text: str, seen: list[int]) -> Watched:
    text = Watched(text)
    text.seen = seen
    return text


@pytest.mark.parametrize(
    "wanted",
    ["|".join("bcdefghijklmnopqrstuvwxyz" * 4), "a|" * 100, "a" * 199 + "b", "a", "a|b|c", "|".join("aaaaaaab")],
)
@pytest.mark.parametrize(
    "content", ["a" * 400_000, "a\n" * 200_000, "\n" * 400_000, "a" * 200_000 + "\na" * 100_000]
)
def test_whatever_is_sought_the_text_is_gone_through_a_few_times(content: str, wanted: str) -> None:
    seen: list[int] = []
    found(watched(content, seen), wanted, 1, 1000)
    found(watched(content, seen), wanted, -1, 1000)
    assert sum(seen) < 2 * 16 * len(content)
