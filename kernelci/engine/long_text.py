"""Text that is too long to be shown: its beginning and its end, a part of it, what is found in it (pure).

A text is counted in rows: its lines, those of more than ROW characters as several, so that every part can be named.
Nothing here goes through the text more than a few times, whoever wrote it and whatever is sought; a search makes
one copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from kernelci.protocol.excerpts import Excerpt

ROW = 300
"""Characters of the longest row."""

_MOST_FOUND = 1000  # rows that are counted
_MOST_SOUGHT = 8  # texts that are looked for at once, each of which is a walk through the whole


def abridged(text: str, room: int, name: str = "", hint: str = "") -> str:
    """The text, or about `room` characters of its beginning and its end, with a line between them that says so.

    The line tells the text's name, its size, which rows are missing, and the hint.
    """
    return text if len(text) <= room else shown(excerpt(text, room), room, name, hint)


def excerpt(text: str, room: int) -> Excerpt:
    """What `shown` has to know of a text that is longer than `room`, to show so many characters of it or fewer."""
    tail = text[_row_before(text, len(text) - room // 2) :]
    return Excerpt(head=text[: room // 2 + 1], tail=tail, rows=count(text), characters=len(text))


def shown(of: Excerpt, room: int, name: str = "", hint: str = "") -> str:
    """`abridged`, of a text of which there is no more."""
    head = of.head[: _row_before(of.head, room // 2) or room // 2]
    begin = _row_after(of.tail, len(of.tail) - room // 2)
    tail = of.tail[begin if begin < len(of.tail) else len(of.tail) - room // 2 :]
    first, last = count(head) + 1, of.rows - count(tail)
    told = [
        f"{name + ' goes on: ' if name else ''}{of.rows:,} lines with {of.characters:,} characters in all",
        f"lines {first:,} to {last:,} are not shown here"
        if last > first
        else f"most of line {first:,} is not shown",
        *([hint] if hint else []),
    ]
    end = "" if head.endswith("\n") else "\n"
    return f"{head}{end}[… {'; '.join(told)} …]\n{tail}"


def count(text: str) -> int:
    """How many rows it has."""
    return sum(stretch.rows for stretch in _stretches(text))


def part(text: str, first: int, last: int | None, room: int) -> str:
    """The rows from `first` to `last`, as far as there is room; they are counted from 1, or back from -1, the last.

    A line before them says which they are, one after them where they go on.
    """
    rows = max(1, count(text))
    first = max(1, rows + 1 + first if first < 0 else first)
    last = min(rows, rows + 1 + last if last and last < 0 else last or rows)
    if first > last:
        return f"[There are lines 1 to {rows:,}.]"
    begin = end = _start_of(text, first)
    shown = first - 1
    while shown < last and (shown < first or _row_end(text, end) - begin <= room):
        end = _row_end(text, end)
        shown += 1
    more = f"\n[… lines {shown + 1:,} and on by from_line={shown + 1} …]" if shown < last else ""
    return f"[lines {first:,} to {shown:,} of {rows:,}]\n{text[begin:end].removesuffix(chr(10))}{more}"


def found(text: str, wanted: str, first: int, room: int) -> str:
    """The rows from `first` on that have it, in whatever case, as far as there is room, with those beside them.

    `a|b` is looked for as it stands, and then as `a` or `b`, or any of eight such.
    """
    first = max(1, count(text) + 1 + first) if first < 0 else first
    where = f" from line {first:,} on" if first > 1 else ""
    low, sought = text.lower(), wanted.lower()
    if len(low) != len(text):  # the case of a few letters changes their number, and so every place after them
        low, sought = text, wanted
    hits = list(islice(_rows_with(text, low, [sought], first), _MOST_FOUND))
    if not hits and "|" in sought:
        either = [each for each in dict.fromkeys(sought.split("|")) if each.strip()]
        hits = list(islice(_rows_with(text, low, either[:_MOST_SOUGHT], first), _MOST_FOUND))
        where += f"; only the first {_MOST_SOUGHT} texts were looked for" if len(either) > _MOST_SOUGHT else ""
    if not hits:
        return f"[{wanted!r}: in none of the {count(text):,} lines{where}]"
    told: list[str] = []
    shown = last = 0
    for hit in hits:
        rows = [row for row in _with_those_beside(text, hit) if row.number > last]
        lines = [f"{row.number}: {text[row.begin : row.end].rstrip(chr(10))}" for row in rows]
        if told and rows and rows[0].number > last + 1:
            lines.insert(0, "…")
        if shown and sum(map(len, [*told, *lines])) > room:
            break
        told += lines
        last = max(last, hit.number, *(row.number for row in rows))
        shown += 1
    more = f"; search again with from_line={hits[shown].number} for the next" if shown < len(hits) else ""
    number = "1 line" if len(hits) == 1 else f"{len(hits):,}{' or more' * (len(hits) == _MOST_FOUND)} lines"
    return "\n".join([f"[{wanted!r}: in {number}{where}, {shown:,} of them shown{more}]", *told])


class _Row(NamedTuple):
    number: int
    begin: int
    end: int


class _Stretch(NamedTuple):
    """Some lines that are a row each, or one that is several."""

    begin: int
    end: int
    rows: int
    is_long: bool


def _stretches(text: str) -> Iterator[_Stretch]:
    """The whole text, in steps of about a row's length or more."""
    at = 0
    while at < len(text):
        end = text.rfind("\n", at, at + ROW + 1) + 1
        if end:
            yield _Stretch(at, end, text.count("\n", at, end), is_long=False)
        else:
            line = text.find("\n", at)
            line = len(text) if line < 0 else line
            end = min(line + 1, len(text))
            yield _Stretch(at, end, -(-(line - at) // ROW), is_long=True)
        at = end


def _start_of(text: str, row: int) -> int:
    """Where a row begins; the text's end, if there is none of that number."""
    before = 0
    for stretch in _stretches(text):
        if before + stretch.rows >= row:
            begin = stretch.begin
            for _ in range(row - before - 1):
                begin = _row_end(text, begin)
            return begin
        before += stretch.rows
    return len(text) if row > 1 else 0


def _rows_with(text: str, low: str, sought: Sequence[str], first: int) -> Iterator[_Row]:
    """The rows in which any of these begins, in order, from that row on; `low` is the text, cased as they are."""
    start = _start_of(text, first)
    places = {each: _place(low, each, start) for each in sought}
    before = 0
    for begin, end, rows, is_long in _stretches(text):
        at = min(places.values(), default=len(text))
        if at == len(text):
            return
        while at < end:
            row = _row_before(text, at) if not is_long else begin + min((at - begin) // ROW, rows - 1) * ROW
            number = before + 1 + ((row - begin) // ROW if is_long else text.count("\n", begin, row))
            past = _row_end(text, row)
            yield _Row(number, row, past)
            places = {each: _place(low, each, past) if place < past else place for each, place in places.items()}
            at = min(places.values())
        before += rows


def _place(low: str, sought: str, begin: int) -> int:
    """Where it is from there on; the text's end, if nowhere."""
    place = low.find(sought, begin)
    return place if place >= 0 else len(low)


def _with_those_beside(text: str, row: _Row) -> Iterator[_Row]:
    if row.begin:
        yield _Row(row.number - 1, _row_before(text, row.begin - 1), row.begin)
    yield row
    if row.end < len(text):
        yield _Row(row.number + 1, row.end, _row_end(text, row.end))


def _row_end(text: str, begin: int) -> int:
    """Where the row ends that begins here, with its line break."""
    line = text.find("\n", begin, begin + ROW + 1)
    return line + 1 if line >= 0 else min(begin + ROW, len(text))


def _row_before(text: str, at: int) -> int:
    """Where the row begins that this place is in; the break of a line is in its last row."""
    line = text.rfind("\n", 0, at) + 1
    return line + max(0, at - line - (text[at : at + 1] == "\n")) // ROW * ROW


def _row_after(text: str, at: int) -> int:
    """The first place at which a row begins, from this one on."""
    begin = _row_before(text, at)
    return at if begin == at else _row_end(text, begin)
