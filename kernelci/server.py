"""Runs the app: its socket, its address, and a stop that no open stream can hold up. What it serves is app.py's.

The lifespan is entered here and not by uvicorn, which would log what keeps the app from starting where a caller
wants to be told.
"""

from __future__ import annotations

import logging
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import cast

import anyio
import uvicorn
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp, Receive, Scope, Send

from kernelci import __version__
from kernelci.app import Composed, create_app
from kernelci.engine.ports.model import Models
from kernelci.errors import DataFolderInUse, StartupError
from kernelci.models.catalog import Catalog
from kernelci.models.choice import choose
from kernelci.models.mapped import MappedCatalog
from kernelci.settings import Settings
from kernelci.store import folder

logger = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds in which open requests may end by themselves when the server stops; then their clients are hung up on."""

_ABANDONED = 5
"""Seconds after which a request that goes on without its client is cancelled."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where a client on this machine finds a server that listens everywhere."""

Told = Callable[[str], None]
"""Is told a sentence, or an address."""


def ignore(_told: str) -> None:
    """Told to one who does not listen."""


def serve(settings: Settings, *, ready: Told, upstream: Told) -> None:
    """Serve until SIGINT or SIGTERM, with as many open files as this process may have. Belongs in the main thread.

    As soon as the server answers, `upstream` is told who will be sent the conversations, and `ready` its address.

    Raises:
        StartupError: the server cannot start, and why.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two a kernel; kernels have a limit of their own
    anyio.run(_until_signalled, settings, ready, upstream)


@contextmanager
def running(settings: Settings, models: Models | None = None, *, upstream: Told = ignore) -> Generator[str]:
    """Serve in a thread of its own while the block lasts; gives the address.

    Without `models` they are chosen by the settings, and `upstream` is told who will be sent the conversations.

    Raises:
        StartupError: the server cannot start, and why.
    """
    with start_blocking_portal() as portal:
        stop = portal.call(anyio.Event)
        serving, address = portal.start_task(_in_background, settings, models, upstream, stop)
        try:
            yield address
        finally:
            portal.call(stop.set)
            serving.result()


async def _until_signalled(settings: Settings, ready: Told, upstream: Told) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await _serve(settings, None, ready=ready, upstream=upstream, until=partial(anext, signals))


async def _in_background(
    settings: Settings,
    models: Models | None,
    upstream: Told,
    stop: anyio.Event,
    *,
    task_status: TaskStatus[str],
) -> None:
    await _serve(settings, models, ready=task_status.started, upstream=upstream, until=stop.wait)


async def _serve(
    settings: Settings,
    models: Models | None,
    *,
    ready: Told,
    upstream: Told,
    until: Callable[[], Awaitable[object]],
) -> None:
    with _listener(settings) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        async with AsyncExitStack() as stack:
            catalog: Catalog | MappedCatalog | None = None
            if models is None:
                models = catalog = await stack.enter_async_context(await choose(settings))
            app = create_app(settings, models=models)
            composed = cast(Composed, await stack.enter_async_context(app.router.lifespan_context(app)))

            async def answering() -> None:
                host: str = listener.getsockname()[0]
                await composed["folder"].announce(_address(_ANYWHERE.get(host, host), settings.port))
                if catalog:
                    upstream(catalog.describe())
                logger.info(
                    "server started",
                    extra={
                        "action": "server_started",
                        "url": _address(host, settings.port),
                        "version": __version__,
                    },
                )
                ready(_address(host, settings.port))

            await _answer(_Server(_with_state(app, composed), answering), listener, until)
            logger.info("server stopping", extra={"action": "server_stopping"})
        logger.info("server stopped", extra={"action": "server_stopped"})


async def _answer(server: _Server, listener: socket.socket, until: Callable[[], Awaitable[object]]) -> None:
    async def stop_in_time() -> None:
        await until()
        server.should_exit = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_in_time)
        await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


def _with_state(app: ASGIApp, state: Mapping[str, object]) -> ASGIApp:
    """The app, with what its lifespan yielded in each request's scope."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and its patience; `answering` is called when it answers."""

    def __init__(self, app: ASGIApp, answering: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(GRACE) + _ABANDONED,
            )
        )
        self._answering = answering

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._answering()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hang_up)
            await super().shutdown(sockets)
            tasks.cancel_scope.cancel()

    async def _hang_up(self) -> None:
        """Close what is still open after the grace: to the app, a client that has gone."""
        await anyio.sleep(GRACE)
        for connection in tuple(self.server_state.connections):
            connection.transport.close()


def _listener(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say. Who comes before the app is ready waits in its queue.

    Raises:
        DataFolderInUse: the address is taken by the server that has the data folder.
        StartupError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartupError(f"Cannot listen on {settings.host}: {error.strerror}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        if other := folder.running(settings.data_dir):
            raise DataFolderInUse(f"kernelci is running already: {other} serves {settings.data_dir}.") from error
        raise StartupError(
            f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}. "
            "Choose another port with --port, or any free one with --port 0."
        ) from error
    return listener


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
