"""Pictures as a model is sent them: those that users have posted, and the figures that its code displayed last.

Whether a model takes any is for its adapter to know, and how they are put to it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

import anyio

from kernelci.engine.drafts import figures
from kernelci.engine.ports.blobs import Blobs
from kernelci.engine.ports.model import Figures
from kernelci.protocol.objects import File, Message, RunStep, ToolCalls

MOST = 4
"""Figures that are sent at once: the last of one turn's."""

LARGEST_FIGURE = 1024 * 1024
LARGEST_POSTED = 20 * 1024 * 1024
"""Bytes of a picture; a larger one is not sent."""

_KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}


async def data_url(file: File, blobs: Blobs, largest: int) -> str:
    """The picture as a data URL; empty if it is none, or too large."""
    if file.bytes > largest:
        return ""
    data = await anyio.Path(blobs.path(file.blob)).read_bytes()
    kind = next((kind for mark, kind in _KINDS.items() if data.startswith(mark)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}" if kind else ""


async def data_urls(files: Iterable[File], blobs: Blobs) -> tuple[str, ...]:
    """The last few figures, each as a data URL; empty in the place of one that is not sent."""
    return tuple([await data_url(file, blobs, LARGEST_FIGURE) for file in [*files][-MOST:]])


def last_figures(conversation: Sequence[Message | RunStep]) -> Figures | None:
    """The last figures of the last turn that displayed any, by their files' ids."""
    turn: tuple[str, int] | None = None
    found: tuple[str, ...] = ()
    call = ""
    for step in reversed(conversation):
        if not isinstance(step, RunStep) or not isinstance(step.step_details, ToolCalls):
            continue
        if turn is not None and turn != (step.run_id, step.turn):
            break
        if displayed := figures(step.step_details):
            turn = (step.run_id, step.turn)
            found = (*displayed, *found)
            call = call or step.step_details.tool_calls[-1].id
    return Figures(call, found[-MOST:]) if found else None
