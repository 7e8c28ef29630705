"""The port to the keys with names. What a key is, protocol/keys.py says; who must have one, api/door.py."""

from __future__ import annotations

from typing import Protocol

from kernelci.protocol.keys import Key


class Keys(Protocol):
    """Where keys live. They are few, and read anew for each request: what was revoked opens nothing any more."""

    async def all(self) -> tuple[Key, ...]:
        """All keys, by name."""
        ...

    async def note_use(self, key: Key) -> None:
        """Remember that the key was used now, to the minute. Where that fails it is logged, not raised."""
        ...
