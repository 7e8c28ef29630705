"""Links in streamed text: whatever the pieces, the same text and the same links come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.engine.events import Emit, Event, TextDelta, TextDone
from kernelci.engine.links import Linking
from kernelci.protocol.objects import File, Run

RUN = Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m")
EXISTING = {"a.csv", "my file (2).csv", "דוח.xlsx"}


class Folder:
    """Stands for the publisher: these files exist."""

    async def linked(self, link: str, run: Run, emit: Emit) -> tuple[str, File] | None:
        name = link.removeprefix("sandbox:/mnt/data/").rstrip(".,")
        if name not in EXISTING:
            return None
        file = File(id=f"file-{name}", created_at=1, bytes=1, filename=name, purpose="assistants_output", blob="b")
        return f"sandbox:/mnt/data/{name}", file


async def linked(pieces: list[str]) -> tuple[str, list[str]]:
    """The text that came out, and the text of each delta that carries a file."""
    seen: list[Event] = []

    async def emit(event: Event) -> None:
        seen.append(event)

    linking = Linking(emit, Folder(), RUN)
    for piece in pieces:
        await linking(TextDelta(piece))
    await linking(TextDone())
    deltas = [event for event in seen if isinstance(event, TextDelta)]
    assert all(delta.text for delta in deltas)
    assert isinstance(seen[-1], TextDone)
    return "".join(delta.text for delta in deltas), [delta.text for delta in deltas if delta.file]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("no link at all, not sandbox: and not sandbox:/tmp/x", []),
        ("[a](sandbox:/mnt/data/a.csv)", ["sandbox:/mnt/data/a.csv"]),
        ("see sandbox:/mnt/data/a.csv.", ["sandbox:/mnt/data/a.csv"]),
        ("[m](sandbox:/mnt/data/my file (2).csv) end", ["sandbox:/mnt/data/my file (2).csv"]),
        ("`sandbox:/mnt/data/a.csv`, <sandbox:/mnt/data/a.csv>", ["sandbox:/mnt/data/a.csv"] * 2),
        ("הקובץ: [דוח](sandbox:/mnt/data/דוח.xlsx) מוכן", ["sandbox:/mnt/data/דוח.xlsx"]),
        ("[gone](sandbox:/mnt/data/gone.csv)", []),
        ("[a](sandbox:/mnt/data/a.csv)[a](sandbox:/mnt/data/a.csv)", ["sandbox:/mnt/data/a.csv"] * 2),
        ("unfinished (sandbox:/mnt/data/a.csv", ["sandbox:/mnt/data/a.csv"]),
        ("sandbox:/mnt/data/" + "x" * 5000, []),
        ("sandbox:/mnt/data/", []),
    ],
)
async def test_links_come_with_their_text(text: str, links: list[str]) -> None:
    assert await linked([text]) == (text, links)
    assert await linked(list(text)) == (text, links)


def _in_pieces(words: list[str]) -> st.SearchStrategy[list[str]]:
    """The words as one text, cut anywhere. Nothing is drawn within the test: what that raises, tasks would lose."""
    text = "".join(words)
    cuts = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    return cuts.map(lambda at: [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True) if a < b])


@given(
    pieces=st.lists(
        st.sampled_from(
            ["sandbox:", "/mnt/data/", "a.csv", "(", ")", " ", "\n", "sand", "x", "my file (2).csv", "]("]
        )
    ).flatmap(_in_pieces)
)
async def test_the_pieces_do_not_matter(pieces: list[str]) -> None:
    text = "".join(pieces)
    whole = await linked([text] if text else [])
    assert whole[0] == text
    assert await linked(pieces) == whole
