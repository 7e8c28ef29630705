"""The composition root: builds everything with a lifetime from the settings, and the app that speaks to it.

Nothing else names a concrete adapter.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
from starlette.applications import Starlette

from kernelci.api.routes import build
from kernelci.engine.ports.blobs import Blobs, Parts
from kernelci.engine.ports.keys import Keys
from kernelci.engine.ports.model import Models
from kernelci.engine.ports.store import Store
from kernelci.engine.ports.transcripts import Transcripts
from kernelci.engine.publish import Publisher
from kernelci.engine.service import Service
from kernelci.engine.supervisor import Supervisor
from kernelci.errors import StartupError
from kernelci.models.choice import choose
from kernelci.protocol.objects import Cell, Message
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import environment
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from kernelci.store.blobs import YOUNG, FolderBlobs
from kernelci.store.bus import JournalBus
from kernelci.store.database import plainly
from kernelci.store.folder import DataFolder
from kernelci.store.parts import FolderParts
from kernelci.store.store import SqlStore
from kernelci.telemetry import lines
from kernelci.telemetry.current import NotedDriver
from kernelci.telemetry.facts import Observer, told_to
from kernelci.telemetry.http import Told, observe
from kernelci.telemetry.meters import Meters
from kernelci.telemetry.watched import WatchedBus, WatchedKeys, WatchedModels, WatchedSessions
from kernelci.transcripts.writer import NotebookWriter

logger = logging.getLogger(__name__)


class Composed(Told):
    """What the lifespan yields: the service for the endpoints, the folder for whoever runs the app."""

    service: Service
    folder: DataFolder


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeps a data folder's objects, bytes and notebooks, and runs its sessions."""

    store: Store
    keys: Keys
    blobs: Blobs
    parts: Parts
    transcripts: Transcripts
    sessions: SessionPool


def create_app(settings: Settings, *, models: Models | None = None) -> Starlette:
    """The ASGI application on these settings. Without `models` they are chosen by the settings.

    Its lifespan raises StartupError where the data folder cannot be had.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[Composed]:
        async with AsyncExitStack() as stack:
            stack.enter_context(plainly())
            others = [await stack.enter_async_context(_otel())] if settings.otel else []
            folder = await stack.enter_async_context(DataFolder(settings.data_dir))
            serving = models or await stack.enter_async_context(await choose(settings))
            store = await stack.enter_async_context(SqlStore(folder.url))
            await _check_door(settings, store.keys)
            rooms = await _keep(stack, settings, folder, store)
            meters = Meters(lambda: rooms.sessions.kernels, folder.path)
            tell = told_to(lines.log, meters, *others)
            service = await _compose(stack, settings, rooms, serving, tell)
            meters.show(lambda: service.supervisor.going_on)
            yield {"service": service, "folder": folder, "meters": meters, "tell": tell}

    app = build(lifespan, settings)
    observe(app)
    return app


@asynccontextmanager
async def kept(settings: Settings) -> AsyncGenerator[Kept]:
    """A data folder without a server on it, for what works there in its place. Runs are left as they are.

    Raises:
        StartupError: the data folder cannot be had, or fails in the block.
        DiskFull: there is no room for what the block does.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(plainly())
        folder = await stack.enter_async_context(DataFolder(settings.data_dir))
        store = await stack.enter_async_context(SqlStore(folder.url))
        yield await _keep(stack, settings, folder, store)


async def _compose(
    stack: AsyncExitStack, settings: Settings, rooms: Kept, models: Models, tell: Observer
) -> Service:
    """Enter what works with the rooms; what is entered last is left first."""
    bus = WatchedBus(JournalBus(), tell)
    keys = WatchedKeys(rooms.keys, tell)
    await keys.all()  # those that are there already are no news
    driver = NotedDriver(
        store=rooms.store,
        blobs=rooms.blobs,
        sessions=WatchedSessions(rooms.sessions, tell),
        models=WatchedModels(models, tell),
        publisher=Publisher(
            store=rooms.store, blobs=rooms.blobs, sessions=rooms.sessions, limit=settings.max_upload
        ),
        settings=settings,
    )
    supervisor = await stack.enter_async_context(
        Supervisor(store=rooms.store, bus=bus, transcripts=rooms.transcripts, driver=driver)
    )
    return Service(
        settings=settings,
        store=rooms.store,
        blobs=rooms.blobs,
        bus=bus,
        sessions=rooms.sessions,
        transcripts=rooms.transcripts,
        supervisor=supervisor,
        models=models,
        parts=rooms.parts,
        keys=keys,
    )


async def _keep(stack: AsyncExitStack, settings: Settings, folder: DataFolder, store: SqlStore) -> Kept:
    blobs = await stack.enter_async_context(FolderBlobs(folder.blobs))
    tasks = await stack.enter_async_context(anyio.create_task_group())
    parts = FolderParts(folder.blobs)
    tasks.start_soon(_sweep, store, blobs, parts)
    stack.callback(tasks.cancel_scope.cancel)
    transcripts = await stack.enter_async_context(NotebookWriter(folder.notebooks, partial(_written_in, store)))
    packages = environment(settings.cache_dir, settings.kernel)
    engine = Engine(packages, folder.sessions, Limits.of(settings), sandbox=settings.sandbox, cpus=settings.cpus)
    kernels = await stack.enter_async_context(engine)
    sessions = await stack.enter_async_context(SessionPool(folder.sessions, settings, kernels))
    return Kept(store, store.keys, blobs, parts, transcripts, sessions)


def _otel() -> AbstractAsyncContextManager[Observer]:
    """OpenTelemetry, which nobody pays for, or needs to have, who does not ask for it."""
    try:
        from kernelci.telemetry.otel import exporting  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise StartupError(
            f"--otel needs packages that are not there ({error.name}). In a clone: uv run --extra otel kernelci …"
        ) from None
    return exporting()


async def _check_door(settings: Settings, keys: Keys) -> None:
    if settings.shared and not (settings.api_key or await keys.all()):
        how = "A name in --allowed-hosts" if settings.on_loopback else f"Listening on {settings.host}"
        raise StartupError(
            f"{how} lets others reach this server, so it needs a key: "
            "kernelci keys add NAME makes one, or set --api-key or KERNELCI_API_KEY."
        )


async def _sweep(store: SqlStore, blobs: FolderBlobs, parts: FolderParts) -> None:
    """Let go, now and then, of what is past its time, and of bytes that no file and no upload has."""
    while True:
        try:
            await store.expire()
            await parts.sweep(await store.pending_uploads())
            await blobs.sweep(await store.held())
        except Exception as error:  # a full disk, perhaps, which is no reason to stop serving
            logger.warning("nothing could be swept: %s", error, extra={"action": "sweep_failed"})
        await anyio.sleep(YOUNG)


async def _written_in(store: Store, thread_id: str) -> tuple[Message | Cell, ...]:
    """What a thread's notebook is made of."""
    return await store.conversation(thread_id, Message, Cell)
