"""How much a kernel sends: so much text a cell, and no message that its reader would refuse.

Code can undo all of this. It is for honest programs, whose outputs are cut where they would end the kernel.
Imported by its neighbours in this folder, in the environment of the model's code; nothing of kernelci.
"""

from __future__ import annotations

from typing import Any, cast

from ipykernel.iostream import OutStream
from jupyter_client.session import Session
from shortened import LONGEST, shortened

MEBIBYTE = 1024 * 1024
CELL_BYTES = 16 * MEBIBYTE
"""What one cell may print to one stream; the rest is dropped here, where it costs no memory."""

_REMEMBERED = 100


class CellStream(OutStream):
    """Standard output or error of the cells: sent on within 20 ms, and only so much a cell."""

    flush_interval = 0.02
    _left: dict[str | None, int]

    def write(self, string: str) -> int | None:
        """Write what the cell has left to write; the first write beyond that says so."""
        cell = cast("dict[str, str]", self.parent_header).get("msg_id")  # pyright: ignore[reportUnknownMemberType]
        left = self._left_to(cell)
        if left < 0:
            return len(string)
        # Lone surrogates do not survive the way to the host: show them as Python writes them.
        encoded = str.encode(string, "utf-8", "backslashreplace")
        shown = encoded[:left].decode("utf-8", "ignore")
        self._left[cell] = left = left - len(encoded)
        if left < 0:
            shown += f"\n[output cut here: one cell may print {CELL_BYTES // MEBIBYTE} MiB]\n"
        super().write(shown)
        return len(string)

    def _left_to(self, cell: str | None) -> int:
        if not hasattr(self, "_left"):
            self._left = {}
        if cell not in self._left:
            self._left[cell] = CELL_BYTES
            if len(self._left) > _REMEMBERED:
                del self._left[next(iter(self._left))]
        return self._left[cell]


class BoundedSession(Session):
    """The kernel's end of the channels; makes a message shorter rather than have it refused."""

    def serialize(self, msg: dict[str, Any], ident: list[bytes] | bytes | None = None) -> list[bytes]:
        """The message's frames; its content is shortened where it is too long, but for printed text."""
        frames = super().serialize(msg, ident)
        content = msg.get("content")
        if sum(map(len, frames)) > LONGEST and isinstance(content, dict) and msg.get("msg_type") != "stream":
            frames = super().serialize({**msg, "content": shortened(cast("dict[str, Any]", content))}, ident)
        return frames
