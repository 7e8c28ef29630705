"""Everything that is printed, whoever prints it: Python, C libraries, subprocesses, forked workers, threads.

What a thread prints after its cell has ended is dropped; what a subprocess prints belongs to the cell that runs.
Python's own goes into a buffer, all else through pipes on the descriptors 1 and 2. Lines go out at once, so that a
crash loses none of them, unless there are many: what follows on some lines within 20 milliseconds waits that long
for more, and a thread sends it on. The end of a cell sends the rest.
"""

from __future__ import annotations

import codecs
import ctypes
import io
import os
import select
import threading
import time
from contextlib import suppress
from typing import BinaryIO, Literal

import cells
from wire import Wire

Name = Literal["stdout", "stderr"]

INTERVAL = 0.02
"""Seconds for which printed text waits for more."""

AT_ONCE = 16
"""Lines that wait for no more in each of these."""

MOST = 16 * 1024 * 1024
"""Bytes that one cell may print; the rest is dropped here, so that it costs no memory anywhere."""

_CUT = f"\n[output cut here: one cell may print {MOST // 1024**2} MiB]\n"
_SOON = 64 * 1024
_PIECE = 32 * 1024
_PIPE = 64 * 1024
_libc = ctypes.CDLL(None)


class Printed:
    """Standard output and error of this process, sent over the wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._one_at_a_time = threading.RLock()
        self._waiting: list[tuple[Name, str]] = []
        self._size = 0
        self._left = MOST
        self._sent = self._begun = self._since = 0.0
        self._sent_since = 0
        self._pipes: dict[int, tuple[Name, codecs.IncrementalDecoder]] = {}
        self._in_pipes = select.poll()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.set_inheritable(reader, False)
            os.dup2(writer, descriptor)
            os.close(writer)
            self._pipes[reader] = (name, _decoder())
            self._in_pipes.register(reader, select.POLLIN)
        threading.Thread(target=self._pump, daemon=True, name="printed").start()

    def stream(self, name: Name) -> Stream:
        """The object that stands for sys.stdout or sys.stderr."""
        return Stream(self, name)

    def write(self, name: Name, text: str) -> None:
        """Take printed text."""
        with self._one_at_a_time:
            if not cells.works_for(self.wire.cell):
                return
            for reader, _ in self._in_pipes.poll(0):  # what a subprocess has printed before this
                self._read(reader)
            first = not self._waiting
            self._take(name, text)
            if self._size > _SOON or (text.endswith("\n") and self._may_go()):
                self._flush()
            elif first:
                if not text.endswith("\n"):
                    self._begun = time.monotonic()
                self._rouse()

    def drain(self) -> None:
        """Send on all that was printed up to now."""
        _libc.fflush(None)
        with self._one_at_a_time:
            for reader in self._pipes:
                self._read(reader)
            self._flush()

    def begin(self, cell: str) -> None:
        """A new cell: what it may print is counted anew, and what came too late for the last one is dropped."""
        cells.begin(cell)
        with self._one_at_a_time:
            self._waiting, self._size, self._left = [], 0, MOST
            self.wire.cell = cell

    def _take(self, name: Name, text: str) -> None:
        if self._left < 0:
            return
        self._left -= len(text)
        if self._left < 0:
            text = text[: self._left] + _CUT
        self._waiting.append((name, text))
        self._size += len(text)

    def _flush(self) -> None:
        """Send what waits, neighbours of one stream as one."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting:
            self._sent = time.monotonic()
            self._sent_since += 1
        while waiting:
            name = waiting[0][0]
            same = next((at for at, item in enumerate(waiting) if item[0] != name), len(waiting))
            text = "".join(text for _, text in waiting[:same])
            for start in range(0, len(text), _PIECE):
                self.wire.send("stream", {"name": name, "text": text[start : start + _PIECE]})
            waiting = waiting[same:]

    def _may_go(self) -> bool:
        """Whether a line goes out at once."""
        now = time.monotonic()
        if now - self._since > INTERVAL:
            self._since, self._sent_since = now, 0
        return self._sent_since < AT_ONCE

    def _patience(self) -> float:
        """Seconds until it must be: print() writes a line and its end apart, which should not part on the way."""
        return max(self._sent, self._begun) + INTERVAL - time.monotonic()

    def _rouse(self) -> None:
        with suppress(BlockingIOError):  # it has been roused already
            os.write(self._woken, b".")

    def _read(self, reader: int) -> bool:
        """Take what stands in a pipe now, and not what a busy subprocess adds for ever; whether it was full."""
        name, decoder = self._pipes[reader]
        try:
            data = os.read(reader, _PIPE)
        except BlockingIOError:
            return False
        self._take(name, decoder.decode(data))
        return len(data) == _PIPE

    def _pump(self) -> None:
        """Send on what comes, without hurry unless it is much, for ever."""
        much = False
        while True:
            readable, _, _ = select.select([self._wake, *self._pipes], [], [])
            if not much and (pause := self._patience()) > 0:
                threading.Event().wait(pause)
            with self._one_at_a_time:
                if self._wake in readable:
                    os.read(self._wake, _PIPE)
                full = [self._read(reader) for reader in self._pipes]
                much = any(full)
                self._flush()


class Stream(io.TextIOBase):
    """A text stream whose text goes to the host."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, printed: Printed, name: Name) -> None:
        self._printed = printed
        self._name: Name = name
        self._process = os.getpid()
        self._line = ""

    def write(self, text: str) -> int:
        """Take text; it is sent on soon."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() == self._process:
            self._printed.write(self._name, text)
        else:
            self._write_below(text)
        return len(text)

    def _write_below(self, text: str) -> None:
        """In a forked worker: take the way of subprocesses, whole lines at a time."""
        self._line += text
        if "\n" in text:
            self.flush()

    @property
    def buffer(self) -> BinaryIO:
        """The same for bytes."""
        return open(self.fileno(), "wb", buffering=0, closefd=False)

    def fileno(self) -> int:
        """The descriptor on which subprocesses may write."""
        return 1 if self._name == "stdout" else 2

    def flush(self) -> None:
        """Send what waits."""
        if os.getpid() == self._process:
            self._printed.drain()
        else:
            line, self._line = self._line, ""
            os.write(self.fileno(), line.encode("utf-8", "backslashreplace"))

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("backslashreplace")
