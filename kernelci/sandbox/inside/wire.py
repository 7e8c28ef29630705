"""The wire between a kernel and its host: one JSON object a line, over one socket, in both directions.

A line is `{"cell": ..., "type": ..., "content": {...}}`; types and contents are those of Jupyter's iopub channel,
and `done` for the end of a cell. The host believes none of it beyond the cell that it has asked for.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

LONGEST = 8 * 1024 * 1024
"""Bytes of one line; a longer message is replaced by a word that it was too long."""


class Wire:
    """The kernel's end. May be written to from any thread."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._one_at_a_time = threading.RLock()
        self.cell: str | None = None

    def requests(self) -> Iterator[dict[str, Any]]:
        """What the host asks for, until it is gone."""
        with self._socket.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def send(self, type: str, content: dict[str, Any]) -> None:
        """Tell the host something of the current cell."""
        line = self._line(type, content)
        if len(line) > LONGEST:
            text = f"[an output of {len(line)} bytes was too long to be shown]\n"
            line = self._line("stream", {"name": "stderr", "text": text})
        with self._one_at_a_time:
            self._socket.sendall(line)

    def _line(self, type: str, content: dict[str, Any]) -> bytes:
        message = {"cell": self.cell, "type": type, "content": content}
        return json.dumps(message, ensure_ascii=True, default=str).encode() + b"\n"
