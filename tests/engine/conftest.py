"""The engine with a real store and bus, a session that plays a part, and a scripted model."""

from __future__ import annotations

import errno
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from kernelci.engine.driver import Driver
from kernelci.engine.events import Recorded
from kernelci.engine.ports.model import Model, Models
from kernelci.engine.ports.sessions import CellResult, MountedFile, OnOutput, SessionFile
from kernelci.engine.publish import Publisher
from kernelci.engine.supervisor import Supervisor
from kernelci.protocol import ids
from kernelci.protocol.objects import Assistant, Cell, Message, Object, Run, Thread
from kernelci.protocol.parts import CodeInterpreterTool, Function, FunctionTool, Text, TextPart
from kernelci.protocol.usage import Price
from kernelci.settings import Settings
from kernelci.store.blobs import FolderBlobs
from kernelci.store.bus import JournalBus
from kernelci.store.store import SqlStore

OK = CellResult("ok", 1, ())


@dataclass(slots=True)
class PlayedSession:
    """Stands for a kernel: `cell` tells what it prints and answers, `folder` holds the files it wrote."""

    cell: Callable[[str, OnOutput], Awaitable[CellResult]] | None = None
    folder: dict[str, bytes] = field(default_factory=dict[str, bytes])
    mounted: list[str] = field(default_factory=list[str])
    facts: str = ""
    looks: int = 0

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        self.mounted = [file.filename for file in files]
        result = await self.cell(code, on_output) if self.cell else OK
        for output in result.outputs:
            if output["output_type"] == "error":
                await on_output("result", "\n".join(output["traceback"]))
            elif picture := output.get("data", {}).get("image/png"):
                await on_output("picture", picture)
        return result

    async def look(self, session_id: str) -> str:
        self.looks += 1
        return self.facts

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        return {file.file_id: file.filename for file in files}

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        data = self.folder.get(path)
        return None if data is None else SessionFile(path, (1, len(data), 1, 1), io.BytesIO(data))

    async def close(self, session_id: str) -> None:
        self.folder.clear()


@dataclass(slots=True)
class NotedTranscripts:
    """Stands for the notebooks: what each was given."""

    items: list[Message | Cell] = field(default_factory=list[Message | Cell])
    settled_at: list[int] = field(default_factory=list[int])

    def put(self, thread_id: str, *items: Message | Cell) -> None:
        self.items += items

    async def settled(self, thread_id: str) -> None:
        self.settled_at.append(len(self.items))

    async def drop(self, thread_id: str) -> None:
        self.items.clear()


class FillingStore(SqlStore):
    """A store whose disk can be full: it refuses a write for each of `refusals`, which all its views share."""

    def __init__(self, url: str) -> None:
        """An empty list: it takes everything."""
        super().__init__(url)
        self.refusals: list[OSError] = []

    def is_full_once(self) -> None:
        """Have it refuse the next write."""
        self.refusals.append(OSError(errno.ENOSPC, "No space left on device"))

    async def put(self, *objects: Object) -> tuple[Message, ...]:
        if self.refusals:
            raise self.refusals.pop()
        return await super().put(*objects)


@dataclass(slots=True)
class Engine:
    """An engine at work in a folder; `start` may be called again, as after a crash."""

    folder: Path
    session: PlayedSession = field(default_factory=PlayedSession)
    transcripts: NotedTranscripts = field(default_factory=NotedTranscripts)
    bus: JournalBus = field(default_factory=JournalBus)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    store: FillingStore = field(init=False)
    supervisor: Supervisor = field(init=False)

    async def start(self, models: Models, **settings: Any) -> None:
        """Begin to drive runs with this model, healing what is there."""
        self.bus = JournalBus()
        self.store = await self.stack.enter_async_context(FillingStore(f"sqlite:///{self.folder / 'kernelci.db'}"))
        blobs = await self.stack.enter_async_context(FolderBlobs(self.folder / "blobs"))
        publisher = Publisher(store=self.store, blobs=blobs, sessions=self.session, limit=1000)
        driver = Driver(
            store=self.store,
            blobs=blobs,
            sessions=self.session,
            models=models,
            publisher=publisher,
            settings=Settings(**settings),
        )
        self.supervisor = await self.stack.enter_async_context(
            Supervisor(store=self.store, bus=self.bus, transcripts=self.transcripts, driver=driver)
        )

    async def stop(self) -> None:
        """Leave everything as a stopped server would."""
        await self.stack.aclose()

    async def ask(self, text: str = "?", **changes: object) -> Run:
        """A queued run on a new thread with one message, not yet started."""
        assistant = Assistant(id=ids.new("assistant"), created_at=1, model="m")
        thread = Thread(id=ids.new("thread"), created_at=1)
        await self.store.put(assistant, thread)
        fields: dict[str, object] = {
            "id": ids.new("run"),
            "created_at": ids.now(),
            "expires_at": ids.now() + 600,
            "assistant_id": assistant.id,
            "thread_id": thread.id,
            "model": "m",
            "tools": (CodeInterpreterTool(), FunctionTool(function=Function(name="f"))),
        }
        run = Run.model_validate(fields | changes)
        await self.store.open_run(run, [_question(thread.id, text)], lambda thread: thread)
        return run

    async def ask_again(self, run: Run, text: str = "And now?") -> Run:
        """Another queued run like this one on its thread, after a message, not yet started."""
        fields = {"id": ids.new("run"), "created_at": ids.now(), "expires_at": ids.now() + 600, "status": "queued"}
        again = Run.model_validate({**run.model_dump(exclude={"usage", "last_error"}), **fields})
        await self.store.open_run(again, [_question(run.thread_id, text)], lambda thread: thread)
        return again

    async def resumed(self, run: Run) -> Run:
        """A run that waited for the client, after its functions gave "42": when it has ended or waits again."""
        waiting = await self.store.get(Run, run.id)
        assert waiting.required_action
        calls = waiting.required_action.submit_tool_outputs.tool_calls
        await self.supervisor.submit(waiting, {call.id: "42" for call in calls})
        await self.end_of(run, after=self.bus.last(run.id))
        return await self.store.get(Run, run.id)

    async def end_of(self, run: Run, after: int = 0) -> list[Recorded]:
        """All that happens in a run until it ends or waits for the client."""
        return [recorded async for recorded in self.bus.follow(run.id, after)]

    async def finished(self, run: Run) -> Run:
        """A run, started and followed to its end or to its wait for the client."""
        await self.supervisor.start(run)
        await self.end_of(run)
        return await self.store.get(Run, run.id)


def _question(thread_id: str, text: str) -> Message:
    return Message(
        id=ids.new("message"),
        created_at=1,
        thread_id=thread_id,
        role="user",
        content=(TextPart(text=Text(value=text)),),
    )


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine in an empty folder; the test starts it."""
    engine = Engine(tmp_path)
    try:
        yield engine
    finally:
        await engine.stop()


class Unheard:
    """A model that never answers."""

    name = "unheard"

    def serving(self, model: str) -> tuple[Model, str]:
        """It serves every name."""
        return self, model

    def price(self, model: str) -> Price | None:
        """Nobody has said."""
        return None

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: object, emit: object) -> object:
        """Wait for ever."""
        await anyio.sleep_forever()
        raise AssertionError
