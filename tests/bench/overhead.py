"""What a code call costs beside the model and the kernel: `python -m tests.bench overhead`.

A run of ten calls, whose model answers at once, on threads that are new, of 500 messages, and of 50 long outputs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import anyio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kernelci.app import Kept, kept
from kernelci.engine.driver import Driver
from kernelci.engine.events import Emit, Event
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.engine.ports.sessions import CellResult, MountedFile, OnOutput, SessionFile, Sessions, Told
from kernelci.engine.ports.store import Store
from kernelci.engine.publish import Publisher
from kernelci.engine.supervisor import Supervisor
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Run, Thread
from kernelci.protocol.parts import CodeInterpreterTool
from kernelci.protocol.usage import Price
from kernelci.settings import Settings
from kernelci.store.bus import JournalBus
from kernelci.telemetry import lines, log
from kernelci.telemetry.current import NotedDriver
from kernelci.telemetry.facts import Observer, told_to
from kernelci.telemetry.meters import Meters
from kernelci.telemetry.spans import Spans
from kernelci.telemetry.watched import WatchedBus, WatchedModels, WatchedSessions
from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.threads import printed, said

CALLS = 10
LENGTH = 500
OUTPUTS = 50
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

    def price(self, model: str) -> Price | None:
        return None

    async def room(self, model: str) -> int | None:
        return None

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


@dataclass(frozen=True, slots=True)
class Setup:
    """A supervisor at work, and what was spent beside it."""

    store: Store
    supervisor: Supervisor
    bus: Bus
    sessions: TimedSessions
    model: TimedModel

    async def beside(self, length: int, outputs: int = 0) -> float:
        """Seconds of a code call beside model and kernel, on a thread of so many messages and outputs of a megabyte
        whose kernel is there.
        """
        thread = Thread(id=ids.new("thread"), created_at=ids.now())
        await self.store.put(thread, *said(thread, length))
        for objects in printed(thread, outputs):
            await self.store.put(*objects)
        await _seconds(self.store, self.supervisor, self.bus, thread)  # starts the kernel
        await anyio.sleep(SETTLED)  # the reserve fills: its start-up is not this thread's cost
        self.sessions.spent = self.model.spent = 0.0
        took = await _seconds(self.store, self.supervisor, self.bus, thread)
        return (took - self.sessions.spent - self.model.spent) / CALLS


@asynccontextmanager
async def set_up(rooms: Kept, settings: Settings, tell: Observer | None) -> AsyncGenerator[Setup]:
    """An engine as a server has it, with an observer or without any."""
    sessions = TimedSessions(rooms.sessions)
    model = TimedModel(ScriptedModel([*[Turn(code="1+1")] * CALLS, Turn(text="2")]))
    bus = WatchedBus(JournalBus(), tell) if tell else JournalBus()
    driver = (NotedDriver if tell else Driver)(
        store=rooms.store,
        blobs=rooms.blobs,
        sessions=WatchedSessions(sessions, tell) if tell else sessions,
        models=WatchedModels(model, tell) if tell else model,
        publisher=Publisher(store=rooms.store, blobs=rooms.blobs, sessions=sessions, limit=1),
        settings=settings,
    )
    async with Supervisor(store=rooms.store, bus=bus, transcripts=rooms.transcripts, driver=driver) as supervisor:
        yield Setup(rooms.store, supervisor, bus, sessions, model)


async def measure(settings: Settings, rounds: int) -> None:
    """Measure and print."""
    new, long = Figure("a new thread"), Figure(f"a thread of {LENGTH} messages")
    loud = Figure(f"a thread of {OUTPUTS} outputs of a megabyte")
    watched, traced = Figure("with log and metrics, as served"), Figure("with OpenTelemetry, too")
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as null:
        with redirect_stderr(null):
            log.to_stderr("text", "info")
        async with (
            kept(settings.model_copy(update={"data_dir": Path(folder)})) as rooms,
            set_up(rooms, settings, None) as plain,
            set_up(rooms, settings, observers(rooms, Path(folder))) as as_served,
            set_up(rooms, settings, told_to(observers(rooms, Path(folder)), in_memory())) as with_otel,
        ):
            for _, label in interleaved(rounds, "new", "long", "loud", "watched", "traced"):
                match label:
                    case "new":
                        new.times.append(await plain.beside(0))
                    case "long":
                        long.times.append(await plain.beside(LENGTH))
                    case "loud":
                        loud.times.append(await plain.beside(0, OUTPUTS))
                    case "watched":
                        watched.times.append(await as_served.beside(0))
                    case _:
                        traced.times.append(await with_otel.beside(0))
    print_pair(f"A code call beside model and kernel, in a run of {CALLS}", new, long)
    print_pair("The same, where much was printed before", new, loud)
    print_pair("The same, watched", new, watched)
    print_pair("The same, traced into memory", new, traced)


def observers(rooms: Kept, folder: Path) -> Observer:
    """Those that a server has."""
    return told_to(lines.log, Meters(lambda: rooms.sessions.kernels, folder))


def in_memory() -> Observer:
    """OpenTelemetry's, whose spans and metrics stay here."""
    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    return Spans(traces, MeterProvider([InMemoryMetricReader()]))


async def _seconds(store: Store, supervisor: Supervisor, bus: Bus, thread: Thread) -> float:
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
