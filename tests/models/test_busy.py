"""No reply keeps the server busy, whatever a model that is lost repeats in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kernelci.models.arguments import loose_json
from kernelci.models.chunks import Chunk
from kernelci.models.habits import Habits
from kernelci.models.marked import MARKS
from kernelci.models.prose import Prose
from kernelci.models.streamed import StreamedReply
from kernelci.models.thoughts import Thoughts
from tests.models.requests import WITH_CODE

LONG = 16 * 1024
REPEATED = ["\n", "f\n", "[", "{", '"', "<", "a b ", "f(", "[f(]"]


async def emit(event: object) -> None:
    """Nobody listens."""


async def spent(text: str) -> float:
    """The seconds in which a reply that comes in one piece is read."""
    reply = StreamedReply(WITH_CODE, emit, Habits())
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    chunk = Chunk.model_validate({"choices": [choice]})
    before = time.process_time()
    await reply.add(chunk)
    await reply.end_text()
    await reply.close()
    return time.process_time() - before


def long(text: str, repeated: str) -> str:
    return (text + repeated * LONG)[:LONG]


async def plain() -> float:
    """What a text takes that begins no call, of as many lines as letters: the middle of three times."""
    return sorted([await spent(long("", "a\n")) for _ in range(3)])[1]


@pytest.mark.parametrize("mark", MARKS)
async def test_what_follows_a_mark_takes_not_much_longer_than_any_text_of_its_size(mark: str):
    bound = 50 * await plain()
    assert await spent(long("", mark)) < bound
    for each in REPEATED:
        for text in (long(mark, each), long(mark + "f", each), long("", mark + each)):
            assert await spent(text) < bound, text[:40]


LINES = "a\n" * 2**19


def spent_in_pieces(reader: Prose | Thoughts, size: int) -> float:
    before = time.process_time()
    said = [reader.feed(LINES[at : at + size]) for at in range(0, len(LINES), size)]
    if isinstance(reader, Thoughts):
        said.append(reader.apart("Hm."))
    assert "".join(said) == LINES
    return time.process_time() - before


@pytest.mark.parametrize("made", [lambda: Prose(WITH_CODE, python=True), Thoughts], ids=["prose", "thoughts"])
def test_a_long_text_in_one_piece_takes_about_as_long_as_in_many(made: Callable[[], Prose | Thoughts]):
    assert spent_in_pieces(made(), len(LINES)) < 2.5 * spent_in_pieces(made(), 2**10)


def test_a_long_text_that_was_held_for_a_thought_takes_about_as_long_as_any():
    held, thoughts = Thoughts(from_the_start=True), Thoughts()
    assert spent_in_pieces(held, len(LINES)) < 2.5 * spent_in_pieces(thoughts, 2**10)


def test_json_is_repaired_only_where_that_takes_no_time():
    assert loose_json("{'a': '" + "x" * 2**12 + "'}") == {"a": "x" * 2**12}
    assert loose_json("{'a': '" + "x" * 2**13 + "'}") is None
    assert loose_json('{"a": ' + "(" * 16) is None
