"""One execute request while it runs: which of its messages have come, and so whether it is over (pure)."""

from __future__ import annotations

from kernelci.protocol.parts import JsonObject
from kernelci.sessions.outputs import Outputs, counted
from kernelci.sessions.telling import Telling
from kernelci.sessions.trim import Limits


class RunningCell:
    """What has come back for one request.

    The kernel says one thing after the other, so a cell is over when it says so.
    """

    def __init__(self, id: str, max_bytes: int, kept: Limits) -> None:
        self.id = id
        self.outputs = Outputs()
        self.telling = Telling(kept)
        self.execution_count: int | None = None
        self.status = "error"
        self.text = ""
        """What it says at its end, where something was asked."""
        self.over = False
        self.stopped: str | None = None
        """Why it must not go on, if so."""
        self.received = 0
        self._room = max_bytes

    @property
    def flooded(self) -> bool:
        """Whether it has sent more than it may."""
        return self.received > self._room

    def publish(self, kind: str, content: JsonObject, size: int) -> None:
        """Take one of its outputs, `size` bytes long."""
        self.received += size
        if kind == "error" or not self.flooded:
            self.outputs.take(kind, content)

    def tell(self, kind: str, content: JsonObject) -> None:
        """Tell of the output that was just taken."""
        if kind == "error" or not self.flooded:
            self.telling.take(kind, content)

    def note(self, text: str) -> None:
        """Say something of the cell in its own outputs."""
        self.outputs.stream("stderr", text)
        self.telling.take("stream", {"name": "stderr", "text": text})

    def reply(self, content: JsonObject) -> None:
        """Take its end."""
        self.over = True
        self.status = "ok" if content.get("status") == "ok" else "error"
        text = content.get("text")
        self.text = text if isinstance(text, str) else ""
        self.execution_count = counted(content.get("execution_count"))
