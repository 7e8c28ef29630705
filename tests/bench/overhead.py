"""What a code call costs beside the model and the kernel: `python -m tests.bench overhead`.

A run of ten calls, whose model answers at once, on a thread that is new and on one of 500 messages.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from kernelci.app import kept
from kernelci.engine.driver import Driver
from kernelci.engine.events import Event
from kernelci.engine.ports import (
    CellResult,
    Emit,
    Model,
    ModelRequest,
    MountedFile,
    OnOutput,
    Reply,
    SessionFile,
    Sessions,
    Store,
    Told,
)
from kernelci.engine.publish import Publisher
from kernelci.engine.supervisor import Supervisor
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Run, Thread
from kernelci.protocol.parts import CodeInterpreterTool
from kernelci.settings import Settings
from kernelci.store.bus import JournalBus
from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.threads import said

CALLS = 10
LENGTH = 500
SETTLED = 1.0
"""Seconds after a new session in which the kernels' reserve is filled again."""


@dataclass(slots=True)
class TimedModel:
    """A model for every name, and the seconds that were spent in it, without those in which it told its reply.

    A scripted one answers at once, but counts the tokens that it was sent.
    """

    model: ScriptedModel
    spent: float = 0.0
    names = ("m",)

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        async def told(event: Event) -> None:
            began = time.perf_counter()
            await emit(event)
            self.spent -= time.perf_counter() - began

        began = time.perf_counter()
        reply = await self.model.reply(request, told)
        self.spent += time.perf_counter() - began
        return reply


@dataclass(slots=True)
class TimedSessions:
    """Sessions, and the seconds that were spent in them, without those in which they told what they saw."""

    sessions: Sessions
    spent: float = 0.0

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        async def told(kind: Told, text: str) -> None:
            began = time.perf_counter()
            await on_output(kind, text)
            self.spent -= time.perf_counter() - began

        began = time.perf_counter()
        result = await self.sessions.execute(session_id, code, files=files, on_output=told)
        self.spent += time.perf_counter() - began
        return result

    async def look(self, session_id: str) -> str:
        return ""

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        return await self.sessions.names(session_id, files)

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        return await self.sessions.file(session_id, path)

    async def close(self, session_id: str) -> None:
        await self.sessions.close(session_id)


async def measure(settings: Settings, rounds: int) -> None:
    """Measure and print."""
    new, long = Figure("a new thread"), Figure(f"a thread of {LENGTH} messages")
    model = TimedModel(ScriptedModel([*[Turn(code="1+1")] * CALLS, Turn(text="2")]))
    with tempfile.TemporaryDirectory() as folder:
        async with kept(settings.model_copy(update={"data_dir": Path(folder)})) as rooms:
            sessions, bus = TimedSessions(rooms.sessions), JournalBus()
            publisher = Publisher(store=rooms.store, blobs=rooms.blobs, sessions=sessions, limit=1)
            driver = Driver(
                store=rooms.store,
                blobs=rooms.blobs,
                sessions=sessions,
                models=model,
                publisher=publisher,
                settings=settings,
            )
            async with Supervisor(
                store=rooms.store, bus=bus, transcripts=rooms.transcripts, driver=driver
            ) as supervisor:
                for _, label in interleaved(rounds, "new", "long"):
                    figure = new if label == "new" else long
                    thread = Thread(id=ids.new("thread"), created_at=ids.now())
                    await rooms.store.put(thread, *said(thread, 0 if label == "new" else LENGTH))
                    await _seconds(rooms.store, supervisor, bus, thread)  # starts the kernel
                    await anyio.sleep(SETTLED)  # the reserve fills: its start-up is not this thread's cost
                    sessions.spent = model.spent = 0.0
                    took = await _seconds(rooms.store, supervisor, bus, thread)
                    figure.times.append((took - sessions.spent - model.spent) / CALLS)
    print_pair(f"A code call beside model and kernel, in a run of {CALLS}", new, long)


async def _seconds(store: Store, supervisor: Supervisor, bus: JournalBus, thread: Thread) -> float:
    """How long a run takes, from its start until its end is seen."""
    run = Run(
        id=ids.new("run"),
        created_at=ids.now(),
        expires_at=ids.now() + 600,
        assistant_id="asst_1",
        thread_id=thread.id,
        model="m",
        tools=(CodeInterpreterTool(),),
    )
    asked: list[Message] = said(thread, 1)
    await store.open_run(run, asked, lambda thread: thread)
    began = time.perf_counter()
    await supervisor.start(run)
    *_, end = [recorded.object async for recorded in bus.follow(run.id)]
    took = time.perf_counter() - began
    assert isinstance(end, Run)
    assert end.status == "completed"
    return took
