"""What a cell's outputs tell while it runs: in the order they came, each piece once and for good (pure).

The sum of the pieces is what the API shows of the cell. So nothing is told that may still change: a line over which
the cursor has gone back waits for its end; and once a cell clears its outputs or makes a display that it can
update, all that follows waits for the cell's end. What was told before stays.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque

from kernelci.engine.ports.sessions import Told
from kernelci.protocol.parts import JsonObject
from kernelci.sessions.outputs import Outputs, changeable
from kernelci.sessions.terminal import Screen
from kernelci.sessions.trim import CUT, Limits

_PICTURES = ("image/png", "image/jpeg")


class Telling:
    """The pieces of one cell. Of more text than the limit the end is kept, and told when the cell is over."""

    def __init__(self, limits: Limits) -> None:
        self._pieces: list[tuple[Told, str]] = []
        self._screens: dict[Told, Screen] = {"stdout": Screen(), "stderr": Screen()}
        self._waiting: Outputs | None = None
        self._open: Told | None = None
        self._head = self._tail = limits.text // 2
        self._pictures = limits.rich
        self._most = limits.outputs
        self._last: deque[tuple[Told, str]] = deque()
        self._kept = 0
        self._left_out = False

    def take(self, kind: str, content: JsonObject) -> None:
        """Take one of the cell's outputs, as the kernel has sent it."""
        if self._waiting is None and changeable(kind, content):
            self._wait(cleared=kind == "clear_output")
        if self._waiting is not None:
            return self._waiting.take(kind, content)
        if kind == "stream":
            return self._print(content.get("name"), content.get("text"))
        alone = Outputs()
        alone.take(kind, content)
        for output in alone.collected():
            self._show(output)
        return None

    def told(self) -> list[tuple[Told, str]]:
        """The pieces since the last call, neighbours of one kind joined."""
        pieces, self._pieces = self._pieces, []
        joined: list[tuple[Told, str]] = []
        for kind, text in pieces:
            if joined and joined[-1][0] == kind != "picture":
                joined[-1] = (kind, joined[-1][1] + text)
            else:
                joined.append((kind, text))
        return joined

    def close(self) -> None:
        """The cell is over: nothing changes any more."""
        waiting, self._waiting = self._waiting, None
        for output in waiting.collected() if waiting else ():
            if output["output_type"] == "stream":
                self._print(output["name"], "".join(output["text"]))
            else:
                self._show(output)
        self._break()
        if self._left_out:
            self._pieces.append(("result", f"\n{CUT}\n"))
        self._pieces += self._last
        self._last.clear()

    def _wait(self, *, cleared: bool) -> None:
        if cleared:
            for screen in self._screens.values():
                screen.clear()
        self._waiting = Outputs()

    def _print(self, name: object, text: object) -> None:
        for stream, screen in self._screens.items():
            if name == stream and isinstance(text, str):
                self._say(stream, screen.take(text))

    def _show(self, output: JsonObject) -> None:
        """Tell a display, a result or an error, on a line of its own."""
        self._break()
        picture = _picture(output)
        if picture is None:
            return self._say("result", _text(output))
        if self._most <= 0 or len(picture) > self._pictures:
            return self._say("result", f"[a picture of {len(picture):,} characters left out]")
        self._most -= 1
        self._pictures -= len(picture)
        self._open = None
        self._pieces.append(("picture", picture))
        return None

    def _break(self) -> None:
        """End the lines that are being written."""
        for stream, screen in self._screens.items():
            self._say(stream, screen.close())

    def _say(self, kind: Told, text: str) -> None:
        if not text:
            return
        if self._open is not None and (kind != self._open or kind == "result"):
            text = f"\n{text}"
        self._open = None if text.endswith("\n") else kind
        now, later = text[: self._head], text[self._head :]
        self._head -= len(now)
        if now:
            self._pieces.append((kind, now))
        if later:
            self._keep(kind, later)

    def _keep(self, kind: Told, text: str) -> None:
        """Keep the end of what does not fit any more."""
        self._last.append((kind, text))
        self._kept += len(text)
        while self._kept > self._tail:
            self._left_out = True
            first, oldest = self._last.popleft()
            rest = oldest[min(len(oldest), self._kept - self._tail) :]
            self._kept -= len(oldest) - len(rest)
            if rest:
                self._last.appendleft((first, rest))


def _picture(output: JsonObject) -> str | None:
    """The picture that an output is, in base64."""
    data = output.get("data", {})
    for kind in _PICTURES:
        if isinstance(data.get(kind), str):
            try:
                base64.b64decode(data[kind], validate=False)
            except binascii.Error:
                return None
            return data[kind]
    return None


def _text(output: JsonObject) -> str:
    if output["output_type"] == "error":
        return "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
    return str(output["data"].get("text/plain", ""))
