"""The API over ASGI: real store, blobs, bus and supervisor; a session and a model that play their parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from kernelci.api.routes import build
from kernelci.engine.driver import Driver
from kernelci.engine.ports.model import Models
from kernelci.engine.publish import Publisher
from kernelci.engine.service import Service
from kernelci.engine.supervisor import Supervisor
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.settings import Settings
from kernelci.store.blobs import FolderBlobs
from kernelci.store.bus import JournalBus
from kernelci.store.parts import FolderParts
from kernelci.store.store import SqlStore
from tests.api.oracle import judge
from tests.engine.conftest import NotedTranscripts, PlayedSession

HELLO = ScriptedModel([Turn(text="Hello.")])


@asynccontextmanager
async def service_in(folder: Path, models: Models = HELLO, **changes: Any) -> AsyncGenerator[Service]:
    """A composed service whose state is in that folder."""
    settings = Settings(data_dir=folder, **changes)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqlStore(f"sqlite:///{folder / 'kernelci.db'}"))
        blobs = await stack.enter_async_context(FolderBlobs(folder / "blobs", young=0))
        bus, sessions, transcripts = JournalBus(), PlayedSession(), NotedTranscripts()
        driver = Driver(
            store=store,
            blobs=blobs,
            sessions=sessions,
            models=models,
            publisher=Publisher(store=store, blobs=blobs, sessions=sessions, limit=1_000_000),
            settings=settings,
        )
        supervisor = await stack.enter_async_context(
            Supervisor(store=store, bus=bus, transcripts=transcripts, driver=driver)
        )
        yield Service(
            settings,
            store,
            blobs,
            bus,
            sessions,
            transcripts,
            supervisor,
            models,
            FolderParts(folder / "blobs", young=0),
            store.keys,
        )


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    """A client that calls the app within this process, and lets no wrong answer pass."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1", event_hooks={"response": [judge]}
    )


def answered(response: httpx2.Response) -> dict[str, Any]:
    """What was answered, which is no refusal."""
    assert response.status_code == 200, response.text
    return response.json()


def app_of(service: Service) -> ASGIApp:
    """The application, with the service already there, as after its lifespan's start."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[dict[str, object]]:
        yield {"service": service}

    app = build(lifespan, service.settings)

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"service": service}}, receive, send)

    return with_state


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    """A service in an empty folder, whose model says hello."""
    async with service_in(tmp_path) as service:
        yield service


@pytest.fixture
async def api(service: Service) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of that service."""
    async with client_of(app_of(service)) as client:
        yield client
