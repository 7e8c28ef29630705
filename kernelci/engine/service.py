"""The composed server, as the edges see it. app.py builds it; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kernelci.engine.ports.blobs import Blobs, Parts
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.keys import Keys
from kernelci.engine.ports.model import Models
from kernelci.engine.ports.sessions import Sessions
from kernelci.engine.ports.store import Store
from kernelci.engine.ports.transcripts import Transcripts
from kernelci.engine.supervisor import Supervisor
from kernelci.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """Everything with a lifetime, ready to use: for all owners, and by `of` for one.

    What is told by an id of a run or thread (bus, supervisor, sessions, transcripts) does not ask whose that is:
    find the object in the store first.
    """

    settings: Settings
    store: Store
    blobs: Blobs
    bus: Bus
    sessions: Sessions
    transcripts: Transcripts
    supervisor: Supervisor
    models: Models
    parts: Parts
    keys: Keys

    def of(self, owner: str) -> Service:
        """The service as this owner has it."""
        return replace(self, store=self.store.of(owner))
