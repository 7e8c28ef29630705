"""The host's end of a kernel's wire: requests go out as lines of JSON, messages come in as such.

What comes in is not to be trusted: a line may be no message, never end, or be one of very many.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import cast

import anyio
import anyio.lowlevel
import anyio.to_thread

from kernelci.protocol.parts import JsonObject

OFF_LOOP = 256 * 1024
"""Bytes of a message from which on a thread deals with it, so that others are not kept waiting."""

_READ = 64 * 1024
_LINES = 100
"""Messages that are taken in one go: some hundred microseconds, then others have their turn."""


class Wire:
    """A connected socket; `longest` is in bytes, for one message."""

    def __init__(self, connected: socket.socket, longest: int) -> None:
        self._connected = connected
        self._longest = longest
        self.endless = False
        """Whether the messages are over because one of them was too long."""

    async def send(self, request: JsonObject) -> None:
        """Send a request. Who has closed the other end does not get it, and nobody is told of that here."""
        data = memoryview(json.dumps(request).encode() + b"\n")
        while data:
            try:
                data = data[self._connected.send(data) :]
            except BlockingIOError:
                with suppress(anyio.ClosedResourceError):  # which the next attempt is told of, too
                    await anyio.wait_writable(self._connected)
            except OSError:
                return

    async def messages(self) -> AsyncGenerator[tuple[JsonObject, int]]:
        """Each message with its length in bytes, until they end; what is no JSON object is an empty one."""
        begun = bytearray()
        while data := await self._received():
            begun += data
            if b"\n" in data:
                *lines, begun = begun.split(b"\n")
                for number, line in enumerate(lines, 1):
                    yield await _parsed(line), len(line)
                    if number % _LINES == 0:
                        await anyio.lowlevel.checkpoint()
            if len(begun) > self._longest:
                self.endless = True
                return

    async def _received(self) -> bytes:
        """The next bytes; none at the end, which comes once all processes of the kernel have ended."""
        while True:
            try:
                await anyio.wait_readable(self._connected)
                return self._connected.recv(_READ)
            except BlockingIOError:
                continue
            except (anyio.ClosedResourceError, OSError):
                return b""


def mapping(value: object) -> JsonObject:
    """The value if it is a JSON object, else an empty one."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}


async def _parsed(line: bytearray) -> JsonObject:
    try:
        if len(line) < OFF_LOOP:
            return mapping(json.loads(line))
        return mapping(await anyio.to_thread.run_sync(json.loads, line))
    except (ValueError, RecursionError):
        return {}
