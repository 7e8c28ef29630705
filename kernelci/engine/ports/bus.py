"""What the engine needs of a bus: who follows which run, and what is kept for those who come late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from kernelci.engine.events import Recorded
from kernelci.errors import KernelciError


class Bus(Protocol):
    """Who follows which run. Records of a run are kept for some time after it, for those who come late."""

    @property
    def epoch(self) -> str:
        """Another one at each start: a record's number says nothing in any epoch but its own."""
        ...

    def publish(self, recorded: Recorded) -> None:
        """Hand on a record."""
        ...

    def break_off(self, run_id: str, error: KernelciError) -> None:
        """Tell who follows the run, once they have all its records, that nothing of it can be told for now."""
        ...

    def last(self, run_id: str) -> int:
        """The number of the run's newest record; 0 if none is known."""
        ...

    def kept(self, run_id: str) -> Sequence[Recorded]:
        """The run's records of this epoch so far; those of its first steps, or all, may have been let go."""
        ...

    def follow(self, run_id: str, after: int = 0) -> AsyncIterator[Recorded]:
        """What is kept after that one, and what comes, up to the next that ends the run or waits for the client.

        What is kept now is, for this reader, even if it is let go before it is read.

        Raises:
            KernelciError: it was broken off after what has come so far.
        """
        ...
