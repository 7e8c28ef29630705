"""Where bytes live, as the engine needs it: whole ones by their hash, and those that come in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from kernelci.protocol.uploads import Stretch


class TooManyBytes(Exception):
    """More bytes came than were allowed."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes: their SHA-256 in hex, and their number."""

    sha256: str
    size: int


class Blobs(Protocol):
    """Where bytes live, by their hash."""

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Blob:
        """Store what arrives, hashing on the way, off the event loop; durable when it returns.

        Raises:
            TooManyBytes: more than `limit` came; nothing is kept.
        """
        ...

    async def copy(self, source: BinaryIO, limit: int) -> Blob:
        """Store an open file's bytes from where it stands; raises as `receive` does."""
        ...

    async def write(self, data: bytes) -> Blob:
        """Store these bytes."""
        ...

    def path(self, sha256: str) -> Path:
        """Where the bytes are, to be read only."""
        ...

    async def drop(self, sha256: str) -> None:
        """Forget the bytes; those that have just come are left, since an upload may be about to name them."""
        ...


class WrongBytes(Exception):
    """What was put together has another MD5 than it should."""


class Parts(Protocol):
    """Where the parts of uploads live until they are put together."""

    async def receive(self, upload_id: str, chunks: AsyncIterator[bytes], limit: int) -> Stretch:
        """Keep what arrives; durable when it returns. Parts of one upload may come at the same time.

        Raises:
            TooManyBytes: more than `limit` came; nothing is kept.
            FileNotFoundError: the parts were dropped meanwhile.
        """
        ...

    async def join(self, upload_id: str, stretches: Sequence[Stretch], md5: str | None) -> Blob:
        """Make these parts, one after the other, a blob. They are kept, so that it may be done again.

        Raises:
            WrongBytes: they do not have that MD5 (hex); nothing is made.
            FileNotFoundError: they were dropped.
        """
        ...

    async def drop(self, upload_id: str) -> None:
        """Forget the parts of an upload; unknown ids are fine."""
        ...
