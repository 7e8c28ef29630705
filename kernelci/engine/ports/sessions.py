"""What the engine needs of the place where code runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from kernelci.protocol.objects import CellStatus
from kernelci.protocol.parts import JsonObject


@dataclass(frozen=True, slots=True)
class MountedFile:
    """A file the session shall see: under its own name, and under its id as a link."""

    file_id: str
    filename: str
    blob: Path


@dataclass(frozen=True, slots=True)
class CellResult:
    """What a cell left. `outputs` are nbformat 4.5 output objects in the order they came, streams merged, `\\r`
    and clear_output applied, no ANSI escapes in tracebacks. `waited` are the seconds before its turn came.
    """

    status: CellStatus
    execution_count: int | None
    outputs: tuple[JsonObject, ...]
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionFile:
    """An open file of a session's folder; the stamp changes whenever the file does. The holder closes it."""

    name: str
    stamp: tuple[int, int, int, int]
    handle: BinaryIO


Told = Literal["stdout", "stderr", "result", "picture"]
"""What a piece of a cell's outputs is: printed text; the text of a result, a display or a traceback; a picture."""

OnOutput = Callable[[Told, str], Awaitable[None]]
"""Is told a cell's outputs piece by piece, a picture in base64. What has been told does not change any more."""


class Sessions(Protocol):
    """Where code runs. A session's id is opaque; its kernel starts on first use."""

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        """Run one cell, telling what it shows as it shows it; the sum of it is what the API's clients see.

        Cells of one session run one at a time. A cell that outlives the time limit is interrupted (`timeout`);
        cancelling this call interrupts it, too. A kernel that dies gives `dead`, with a stderr output that says
        so, and the next call starts a fresh one.

        Raises:
            KernelUnavailable: no kernel could be started.
        """
        ...

    async def look(self, session_id: str) -> str:
        """What the session's kernel has to say of its last failure: names, types, files, near matches, versions.

        At most a few thousand characters, for a model to read and for nobody to believe; none where there is no
        kernel. It leaves no trace in the session, and takes seconds at most.
        """
        ...

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        """The name that each file has in /mnt/data, or is going to have; by file id."""
        ...

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        """Open a regular file below /mnt/data by its relative path; None if there is none. Never follows a link."""
        ...

    async def close(self, session_id: str) -> None:
        """End the session: its kernel and its folder are gone. Unknown ids are fine."""
        ...
