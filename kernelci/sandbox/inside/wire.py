"""The wire between a kernel and its host: one JSON object a line, over one socket, in both directions.

A line is `{"cell": ..., "type": ..., "content": {...}}`; types and contents are those of Jupyter's iopub channel,
and `done` for the end of a cell. The host's lines have a cell's `code`; or `look`, to which `done` brings facts of
the session for the model to read (facts.py). The host believes none of it beyond the cell that it has asked for.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from interrupts import Interrupts
from places import Places
from shortened import LONGEST, shortened


class Wire:
    """The kernel's end. May be written to from any thread, and from no process that the code has forked."""

    def __init__(self, connected: socket.socket, interrupts: Interrupts, places: Places) -> None:
        self._socket = connected
        self._interrupts = interrupts
        self._places = places
        self._one_at_a_time = threading.RLock()
        self.cell: str | None = None
        os.register_at_fork(after_in_child=connected.close)

    def requests(self) -> Iterator[dict[str, Any]]:
        """What the host asks for, until it is gone."""
        begun = b""
        while data := self._socket.recv(1 << 16):
            *lines, begun = (begun + data).split(b"\n")
            yield from map(json.loads, lines)

    def send(self, type: str, content: dict[str, Any]) -> None:
        """Tell the host something of the current cell, in fewer words where they are too many."""
        line = self._line(type, content)
        if len(line) > LONGEST:
            line = self._line(type, shortened(content))
        if len(line) > LONGEST:
            text = f"[an output of {len(line):,} bytes left out]\n"
            line = self._line("stream", {"name": "stderr", "text": text})
        with self._interrupts.held(), self._one_at_a_time:
            self._socket.sendall(line)

    def _line(self, type: str, content: dict[str, Any]) -> bytes:
        message = {"cell": self.cell, "type": type, "content": content}
        return self._places.told(json.dumps(message, ensure_ascii=True, default=str).encode()) + b"\n"
