"""The old cells of a thread, run again in its own session: for what they left in /mnt/data, and to see them hold.

Nothing of the record changes. Variables go with the kernel, when whoever asked for this ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelci.engine.inputs import session_files
from kernelci.engine.ports.blobs import Blobs
from kernelci.engine.ports.sessions import MountedFile, Sessions, Told
from kernelci.engine.ports.store import Store
from kernelci.protocol.objects import Cell, Message, Run


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many cells ran, and how many ended otherwise than they once did."""

    cells: int
    otherwise: int


async def replay(thread_id: str, *, store: Store, blobs: Blobs, sessions: Sessions) -> Replayed:
    """Run a thread's cells in their order, each with the files that its run saw.

    Raises:
        NotFound: no such thread.
        KernelUnavailable: no kernel could be started.
    """
    conversation = await store.conversation(thread_id, Message, Cell)
    messages = [item for item in conversation if isinstance(item, Message)]
    cells = [item for item in conversation if isinstance(item, Cell) and item.status != "rejected"]
    otherwise = 0
    for cell in cells:
        files = await session_files(store, await store.get(Run, cell.run_id), messages)
        mounted = [MountedFile(file.id, file.filename, blobs.path(file.blob)) for file in files]
        result = await sessions.execute(thread_id, cell.code, files=mounted, on_output=_unheard)
        otherwise += (result.status == "ok") != (cell.status == "ok")
    return Replayed(len(cells), otherwise)


async def _unheard(_kind: Told, _text: str) -> None:
    """What is shown the second time, nobody reads."""
