"""gpt-oss's channels, wherever the text is cut, and what only looks like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.models.channels import Channels

THOUGHT = "<|channel|>analysis<|message|>Hm. 1 < 2<|end|>"
CALL = '<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": "<b>"}<|call|>'
READ = '[TOOL_CALLS]functions.f{"a": "<b>"}[/TOOL_CALLS]'

NONE = "[TOOL_CALLS]functions.f{}[/TOOL_CALLS]"


def fed(*pieces: str) -> str:
    channels = Channels()
    return "".join(map(channels.feed, pieces)) + channels.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{THOUGHT}<|start|>assistant<|channel|>final<|message|>Six.<|return|>", "Six."),
        (f"\n{THOUGHT}{CALL}", READ),
        (CALL.removesuffix("<|call|>"), READ),
        ("<|start|>assistant to=functions.f<|channel|>commentary json<|message|> {}<|call|>", NONE),
        (f"<|channel|>commentary<|message|>Well.<|end|>{CALL}{CALL}", f"Well.{READ}{READ}"),
        ("<|channel|>analysis to=python code<|message|>1 + 1<|call|>", "<|python_tag|>1 + 1<|eom_id|>"),
        ("<|channel|>final<|message|>a <| b", "a <| b"),
        (THOUGHT, ""),
        ("The word <|channel|>analysis<|message|> is one of harmony's.",) * 2,
        ("<|python_tag|>1",) * 2,
        ("<|chan",) * 2,
        (" ",) * 2,
    ],
)
def test_what_is_said_and_called(text: str, said: str) -> None:
    assert fed(text) == said
    assert fed(*text) == fed(text)


PARTS = [*CALL.split("|"), CALL, THOUGHT, "<|", "|>", "<|end|>", "<|message|>", "x", " ", "\n"]


@given(st.lists(st.sampled_from(PARTS), max_size=9), st.data())
def test_where_a_text_is_cut_makes_no_difference(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert fed(*pieces) == fed(text)


def test_thoughts_are_kept_apart():
    channels = Channels()
    assert "".join(map(channels.feed, f"{THOUGHT}{THOUGHT}{CALL}")) + channels.close() == READ
    assert channels.thoughts == "Hm. 1 < 2\nHm. 1 < 2\n"
