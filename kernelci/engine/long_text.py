"""Text that is too long to be shown: its beginning and its end, a part of it, what is found in it (pure).

A text is counted in rows: its lines, those of more than ROW characters as several, so that every part can be named.
Nothing here takes more time than the text is long, whoever wrote it and whatever is looked for.
"""

from __future__ import annotations

from bisect import bisect_right

ROW = 300
"""Characters of the longest row."""

_BESIDE = 1  # rows shown before and after one in which something is found


def abridged(text: str, room: int, name: str = "", hint: str = "") -> str:
    """The text, or about `room` characters of its beginning and its end, with a line between them that says so.

    The line tells the text's name, its size, which rows are missing, and the hint.
    """
    if len(text) <= room:
        return text
    head = _row_before(text, room // 2) or room // 2
    tail = _row_after(text, len(text) - room // 2)
    tail = len(text) - room // 2 if tail >= len(text) else tail
    rows = count(text)
    first, last = count(text[:head]) + 1, rows - count(text[tail:])
    told = [
        f"{name + ' goes on: ' if name else ''}{rows:,} lines with {len(text):,} characters in all",
        f"lines {first:,} to {last:,} are not shown here"
        if last > first
        else f"most of line {first:,} is not shown",
        *([hint] if hint else []),
    ]
    end = "" if text[:head].endswith("\n") else "\n"
    return f"{text[:head]}{end}[… {'; '.join(told)} …]\n{text[tail:]}"


def count(text: str) -> int:
    """How many rows it has."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # the text ends its last line
    if max(map(len, lines), default=0) <= ROW:
        return len(lines)
    return sum(max(1, -(-len(line) // ROW)) for line in lines)


def part(text: str, first: int, last: int | None, room: int) -> str:
    """The rows from `first` to `last`, counted from 1, as far as there is room; -1 is the last one.

    A line before them says which they are, one after them where they go on.
    """
    starts = _starts(text)
    ends = [*starts[1:], len(text)]
    first = max(1, len(starts) + 1 + first if first < 0 else first)
    last = min(len(starts), last or len(starts))
    if first > last:
        return f"[There are lines 1 to {len(starts):,}.]"
    begin = starts[first - 1]
    shown = min(last, max(first, bisect_right(ends, begin + room)))
    rows = text[begin : ends[shown - 1]].removesuffix("\n")
    more = f"\n[… lines {shown + 1:,} and on by from_line={shown + 1} …]" if shown < last else ""
    return f"[lines {first:,} to {shown:,} of {len(starts):,}]\n{rows}{more}"


def found(text: str, wanted: str, first: int, room: int) -> str:
    """The rows from `first` on that have it, in whatever case, as far as there is room, with those beside them.

    `a|b` is looked for as it stands, and then as `a` or `b`.
    """
    starts = _starts(text)
    hits = _rows_of(text, wanted, starts)
    if not hits and "|" in wanted:
        either = [each for each in wanted.split("|") if each.strip()]
        hits = sorted({row for each in either for row in _rows_of(text, each, starts)})
    if not hits:
        return f"[{wanted!r} is in none of the {len(starts):,} lines.]"
    later = [row for row in hits if row >= first]
    shown, told, last = 0, list[str](), 0
    for row in later:
        rows = range(max(last + 1, row - _BESIDE), min(len(starts), row + _BESIDE) + 1)
        lines = [f"{each}: {_row(text, starts, each)}" for each in rows]
        gap = ["…"] if told and rows.start > last + 1 else []
        if shown and sum(map(len, [*told, *lines])) > room:
            break
        told += [*gap, *lines]
        last = max(last, rows.stop - 1)
        shown += 1
    more = f"; search again with from_line={later[shown]} for more" if shown < len(later) else ""
    return "\n".join([f"[{wanted!r} is in {len(hits):,} lines; {shown:,} of them follow{more}]", *told])


def _rows_of(text: str, wanted: str, starts: list[int]) -> list[int]:
    """The rows in which a text begins, each once."""
    low, sought = text.lower(), wanted.lower()
    if len(low) != len(text):  # the case of a few letters changes their number, and so every place after them
        low, sought = text, wanted
    rows: list[int] = []
    at = low.find(sought)
    while at >= 0:
        rows.append(bisect_right(starts, at))
        at = low.find(sought, starts[rows[-1]]) if rows[-1] < len(starts) else -1
    return rows


def _row(text: str, starts: list[int], row: int) -> str:
    end = starts[row] if row < len(starts) else len(text)
    return text[starts[row - 1] : end].rstrip("\n")


def _starts(text: str) -> list[int]:
    """Where each row begins."""
    starts: list[int] = []
    at = 0
    for line in text.split("\n"):
        starts.append(at)
        starts.extend(range(at + ROW, at + len(line), ROW))
        at += len(line) + 1
    if len(starts) > 1 and starts[-1] == len(text):
        starts.pop()  # the text ends its last line
    return starts


def _row_before(text: str, at: int) -> int:
    """The last place at which a row begins, up to this one."""
    line = text.rfind("\n", 0, at) + 1
    return line + (at - line) // ROW * ROW


def _row_after(text: str, at: int) -> int:
    """The first place at which a row begins, from this one on."""
    line = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    row = line - (line - at) // ROW * ROW
    return min(row, end + 1) if end >= 0 else row
