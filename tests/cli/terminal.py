"""The command in a terminal of its own: what a person would see there, and type."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.conftest import Command

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 60.0


@dataclass
class Terminal:
    """A pseudo-terminal with the command in it; `seen` is all that has been printed so far, without colours."""

    process: subprocess.Popen[bytes]
    master: int
    raw: bytes = b""
    _told: int = field(default=0)

    @property
    def seen(self) -> str:
        return _ESCAPES.sub("", self.raw.decode(errors="replace")).replace("\r\n", "\n")

    def until(self, text: str) -> str:
        """Read on until this has been printed since the last time; gives what was printed up to then."""
        while text not in self.seen[self._told :]:
            assert self._more(), f"{text!r} was not printed, but:\n{self.seen}"
        end = self.seen.index(text, self._told) + len(text)
        told, self._told = self.seen[self._told : end], end
        return told

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> int:
        """Close it, as who shuts its window; gives the exit code."""
        os.close(self.master)
        self.master = -1
        return self.process.wait(_PATIENCE)

    def ended(self) -> int:
        """Read to the end; gives the exit code."""
        while self._more():
            pass
        return self.process.wait(_PATIENCE)

    def _more(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], _PATIENCE)
        assert ready, f"nothing comes any more after:\n{self.seen}"
        try:
            more = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += more
        return bool(more)


@contextmanager
def terminal(command: Command, *arguments: str | Path, **variables: str) -> Generator[Terminal]:
    """The command at work in a terminal while the block lasts."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", *command.argv(arguments)],  # so that closing it hangs up
        cwd=command.folder,
        env=command.variables | {"TERM": "xterm", "COLUMNS": "200"} | variables,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        opened = Terminal(process, master)
        try:
            yield opened
        finally:
            process.kill()
            if opened.master >= 0:
                os.close(master)
