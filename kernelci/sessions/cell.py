"""One execute request while it runs: which of its messages have come, and so whether it is over (pure)."""

from __future__ import annotations

from typing import Literal

from kernelci.protocol.parts import JsonObject
from kernelci.sessions.outputs import Outputs, counted

StreamName = Literal["stdout", "stderr"]

STREAMED = 1024 * 1024
"""Characters of a cell's printed text that are told while it runs."""


class RunningCell:
    """What has come back for one request.

    The kernel says one thing after the other, so a cell is over when it says so.
    """

    def __init__(self, id: str, max_bytes: int) -> None:
        self.id = id
        self.outputs = Outputs()
        self.execution_count: int | None = None
        self.status = "error"
        self.over = False
        self.full = False
        """Whether the disk is, so that it must be stopped."""
        self.received = 0
        self._room = max_bytes
        self._printed: list[tuple[StreamName, str]] = []
        self._streamed = 0

    @property
    def flooded(self) -> bool:
        """Whether it has sent more than it may."""
        return self.received > self._room

    def publish(self, kind: str, content: JsonObject, size: int) -> None:
        """Take one of its outputs, `size` bytes long."""
        self.received += size
        match kind:
            case "error":
                self.outputs.take(kind, content)
            case _ if not self.flooded:
                self.outputs.take(kind, content)
                if kind == "stream":
                    self._print(content)
            case _:
                pass

    def reply(self, content: JsonObject) -> None:
        """Take its end."""
        self.over = True
        self.status = "ok" if content.get("status") == "ok" else "error"
        self.execution_count = counted(content.get("execution_count"))

    def printed(self) -> list[tuple[StreamName, str]]:
        """The text that was printed since the last call, in order, neighbours of one stream joined."""
        pieces, self._printed = self._printed, []
        joined: list[tuple[StreamName, str]] = []
        for name, text in pieces:
            if joined and joined[-1][0] == name:
                joined[-1] = (name, joined[-1][1] + text)
            else:
                joined.append((name, text))
        return joined

    def _print(self, content: JsonObject) -> None:
        name, text = content.get("name"), content.get("text")
        if name in ("stdout", "stderr") and isinstance(text, str) and self._streamed < STREAMED:
            shown = text[: STREAMED - self._streamed]
            self._streamed += len(shown)
            if self._streamed == STREAMED:
                shown += "\n[... more is printed than is shown here while the cell runs ...]\n"
            self._printed.append((name, shown))
