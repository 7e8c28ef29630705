"""A server in a process of its own, and what it holds in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_PROGRAM = """
import sys
from pathlib import Path
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings

with running(Settings(port=0, data_dir=Path(sys.argv[1])), ScriptedModel([Turn(text="Hello.")])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Served:
    """A running server: its address and its process."""

    url: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as a socket wants them."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def memory(self) -> int:
        """Bytes in memory now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes that were in memory since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


@contextmanager
def served(folder: Path) -> Generator[Served]:
    """A server on this data folder, whose model says hello, while the block lasts."""
    argv = [sys.executable, "-c", _PROGRAM, str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        yield Served(process.stdout.readline().strip(), process.pid)
        process.stdin.close()
