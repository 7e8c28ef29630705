"""A run's stream over HTTP: server-sent events, with a sign of life now and then.

The stream follows the run and never owns it: a client that leaves does not end anything.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kernelci.api.dialects.choice import Dialect
from kernelci.api.dialects.objects import downgrade
from kernelci.api.envelope import envelope
from kernelci.api.events import Stream
from kernelci.api.json_text import json_bytes
from kernelci.engine.events import Recorded
from kernelci.errors import in_words
from kernelci.protocol.objects import Thread
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

ALIVE_EVERY = 15.0
"""Seconds between signs of life: less than the patience of the usual proxies."""

ALIVE = b": still here\n\n"
DONE = b"event: done\ndata: [DONE]\n\n"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class EventStream(Response):
    """The response that streams these records, to the last of them. A `thread` just made is told of first.

    With the `epoch` of their numbers, each record has an id from which a reader can go on, and our own events are
    among them. `seen` are the records before them that the reader has, as far as deltas go on with them.
    """

    def __init__(
        self,
        records: AsyncIterator[Recorded],
        dialect: Dialect,
        *,
        thread: Thread | None = None,
        epoch: str | None = None,
        seen: Sequence[Recorded] = (),
        alive_every: float = ALIVE_EVERY,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._records = records
        self._dialect = dialect
        self._thread = thread
        self._epoch = epoch
        self._seen = seen
        self._alive_every = alive_every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the records end or the client leaves."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        saying = anyio.Lock()

        async def say(frame: bytes) -> None:
            async with saying:
                await send({"type": "http.response.body", "body": frame, "more_body": True})

        async def keep_alive() -> None:
            while True:
                await anyio.sleep(self._alive_every)
                await say(ALIVE)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_when_gone, receive, tasks.cancel_scope)
            tasks.start_soon(keep_alive)
            async with aclosing(self._frames()) as frames:
                async for frame in frames:
                    await say(frame)
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _frames(self) -> AsyncGenerator[bytes]:
        """The stream's text. A failure of ours ends it in an `error` event: the run itself may be well."""
        try:
            if self._thread is not None:
                yield frame("thread.created", downgrade(self._dialect, self._thread))
            stream = Stream(self._dialect, ours=self._epoch is not None)
            for recorded in self._seen:
                stream.skip(recorded)
            async for recorded in self._records:
                events = [frame(name, data) for name, data in stream.events(recorded)]
                if events and self._epoch is not None:  # the last of a record, so that none is half seen
                    events[-1] = b"id: " + place(self._epoch, recorded) + b"\n" + events[-1]
                for each in events:
                    yield each
        except Exception as failure:
            logger.exception("a stream broke off", extra={"action": "stream_broken"})
            error = envelope(in_words(failure))
            yield frame("error", {**error, **error["error"]})  # some clients read the one form, some the other
        yield DONE


def place(epoch: str, recorded: Recorded) -> bytes:
    """The id of a record, with which a reader says what it has seen."""
    return f"{epoch}.{recorded.run_id}.{recorded.seq}".encode()


def frame(name: str, data: JsonObject) -> bytes:
    """One event as the wire has it."""
    return b"event: " + name.encode() + b"\ndata: " + json_bytes(data) + b"\n\n"


async def _when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """End the scope when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
