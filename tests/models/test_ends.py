"""What a reply is read through ends with the reply, whichever way that ends, and not when garbage is collected."""

from __future__ import annotations

import gc
import inspect
from contextlib import suppress
from dataclasses import replace

import pytest

from kernelci.errors import RunFailure
from tests.models.requests import WITH_CODE
from tests.upstream import Answer, Drops, Fails, NeverEnds, Says, text_chunk

LIMITED = replace(WITH_CODE, max_tokens=100)


def open_connections() -> set[str]:
    """The client's generators that still read from a connection, by name."""
    parts = [each for each in gc.get_objects() if inspect.isasyncgen(each) and each.ag_frame is not None]
    return {each.__qualname__ for each in parts if "httpcore" in each.ag_code.co_filename}


@pytest.mark.parametrize(
    "answer",
    [
        Says("Because it is."),
        NeverEnds([text_chunk("again and again, ")]),
        NeverEnds([text_chunk("x" * 100_000)], pause=0.001),  # of which much is under way when it is cut off
        Drops([text_chunk("Because ")]),
        Fails(500),
    ],
    ids=["said", "cut off", "cut off in the middle", "dropped", "failed"],
)
async def test_nothing_reads_on_when_a_reply_is_over(asked, answer: Answer):
    gc.disable()  # or what is left behind might have been collected already
    try:
        with suppress(RunFailure):
            await asked(answer, LIMITED)
        assert open_connections() == set()
    finally:
        gc.enable()
