"""The composed server, as the edges see it. app.py builds it; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass

from kernelci.engine.ports import Blobs, Bus, Models, Sessions, Store, Transcripts
from kernelci.engine.supervisor import Supervisor
from kernelci.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """Everything with a lifetime, ready to use."""

    settings: Settings
    store: Store
    blobs: Blobs
    bus: Bus
    sessions: Sessions
    transcripts: Transcripts
    supervisor: Supervisor
    models: Models
