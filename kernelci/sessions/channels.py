"""A kernel's channels over ZeroMQ: requests go out, checked messages come in, however large or malformed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import anyio
import anyio.to_thread
import zmq
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session

from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

Channel = Literal["shell", "control", "iopub"]

_TYPES: dict[Channel, int] = {"shell": zmq.DEALER, "control": zmq.DEALER, "iopub": zmq.SUB}
_OFF_LOOP = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """What a kernel sent: its type, the id of the request it belongs to, its content, its size in bytes."""

    kind: str
    parent: str | None
    content: JsonObject
    size: int


OnMessage = Callable[[Channel, Message], None]


class Channels:
    """Connections to a kernel that listens already. A message longer than `longest` bytes breaks one for good."""

    def __init__(self, manager: AsyncKernelManager, longest: int) -> None:
        self._sessions: dict[Channel, Session] = {}
        self._sockets: dict[Channel, zmq.asyncio.Socket] = {}
        for channel, kind in _TYPES.items():
            # One each: a session remembers what it has received, and messages are parsed in threads.
            self._sessions[channel] = cast(Session, manager.session).clone()
            socket = cast(zmq.asyncio.Context, manager.context).socket(kind)
            self._sockets[channel] = socket
            socket.setsockopt(zmq.MAXMSGSIZE, longest)
            socket.setsockopt(zmq.LINGER, 0)
            if channel == "iopub":
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            port: int = getattr(manager, f"{channel}_port")
            socket.connect(f"{manager.transport}://{manager.ip}-{port}")
        self._broken = self._sockets["iopub"].get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._broken_shell = self._sockets["shell"].get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def send(self, channel: Channel, kind: str, content: JsonObject) -> str:
        """Send a request; gives its id."""
        send = cast("Callable[..., JsonObject]", self._sessions[channel].send)  # pyright: ignore[reportUnknownMemberType]
        return send(self._sockets[channel], kind, content)["header"]["msg_id"]

    async def read(self, channel: Channel, on_message: OnMessage) -> None:
        """Hand on what comes, for ever."""
        while True:
            frames = await self._sockets[channel].recv_multipart()
            with anyio.CancelScope(shield=True):
                await self._deliver(channel, frames, on_message)

    async def drain(self, on_message: OnMessage) -> None:
        """Hand on what has come and was not read."""
        for channel, socket in self._sockets.items():
            while await socket.poll(0):
                await self._deliver(channel, await socket.recv_multipart(), on_message)

    async def watch(self, channel: Literal["shell", "iopub"], on_broken: Callable[[Channel], None]) -> None:
        """Tell when the connection breaks; what came before can be read by then."""
        monitor = self._broken if channel == "iopub" else self._broken_shell
        await monitor.recv_multipart()
        on_broken(channel)

    def close(self) -> None:
        """Give up the connections."""
        for socket in self._sockets.values():
            socket.disable_monitor()
            socket.close()
        for monitor in (self._broken, self._broken_shell):
            monitor.close()

    async def _deliver(self, channel: Channel, frames: list[bytes], on_message: OnMessage) -> None:
        size = sum(map(len, frames))
        try:
            if size < _OFF_LOOP:
                message = self._parsed(channel, frames, size)
            else:
                message = await anyio.to_thread.run_sync(self._parsed, channel, frames, size)
        except Exception:  # what a hostile kernel can send raises all kinds of errors in the parser
            logger.debug("a message could not be read", extra={"action": "message_dropped"}, exc_info=True)
        else:
            on_message(channel, message)

    def _parsed(self, channel: Channel, frames: list[bytes], size: int) -> Message:
        session = self._sessions[channel]
        _, parts = session.feed_identities(frames)
        message = session.deserialize(parts)
        parent, content = message["parent_header"].get("msg_id"), message["content"]
        return Message(str(message["msg_type"]), parent if isinstance(parent, str) else None, dict(content), size)
