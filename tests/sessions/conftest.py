"""Real kernels: the environment of the model's code, and pools that run on it."""

from __future__ import annotations

import os
import secrets
import select
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from kernelci.engine.ports.sessions import CellResult, MountedFile
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment, environment
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings

Run = Callable[..., Awaitable[CellResult]]


@pytest.fixture(scope="session")
def built() -> Environment:
    """The environment, built into the person's own cache if that was not done before."""
    found = environment(Settings().cache_dir)
    found.prepare()
    return found


@pytest.fixture
def place(built: Environment) -> Generator[Path]:
    """A folder for environments that kernels can see, which those below /tmp are not."""
    with tempfile.TemporaryDirectory(dir=built.folder.parents[1]) as folder:
        Path(folder).chmod(0o755)  # for whomever kernels run as
        yield Path(folder)


async def unheard(stream: str, text: str) -> None:
    """Told what a cell prints where nobody listens."""


class Pool:
    """A pool, with the shortest way to run a cell in it."""

    def __init__(self, folder: Path, sessions: SessionPool) -> None:
        self.folder = folder
        self.sessions = sessions

    def data(self, session: str = "thread_1") -> Path:
        """What a session's code sees as /mnt/data."""
        return self.folder / session / "data"

    async def run(self, code: str, *files: MountedFile, session: str = "thread_1") -> CellResult:
        """Run a cell."""
        return await self.sessions.execute(session, code, files=files, on_output=unheard)

    @asynccontextmanager
    async def busy(self, code: str, session: str = "thread_1") -> AsyncGenerator[list[CellResult]]:
        """A cell that has shown a whole line, and runs until its end; the list has its result afterwards.

        A line and its end may come apart: a kernel that is killed in between never sends the end.
        """
        begun = anyio.Event()
        results: list[CellResult] = []

        async def on_output(stream: str, text: str) -> None:
            if "\n" in text:
                begun.set()

        async def run() -> None:
            results.append(await self.sessions.execute(session, code, files=(), on_output=on_output))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await begun.wait()
            yield results


Started = Callable[..., AbstractAsyncContextManager[Pool]]


@pytest.fixture(scope="session")
def started(built: Environment) -> Started:
    """A function that gives a pool on a folder, with these settings."""

    @asynccontextmanager
    async def start(folder: Path, **changes: object) -> AsyncGenerator[Pool]:
        async with (
            Engine(built, folder, Limits(), sandbox=Settings().sandbox) as engine,
            SessionPool(folder, Settings.model_validate(changes), engine) as sessions,
        ):
            yield Pool(folder, sessions)

    return start


@pytest.fixture(scope="module")
async def pool(started: Started, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Pool]:
    """A pool that the tests of a module share: a test that cares about state uses a session of its own."""
    async with started(tmp_path_factory.mktemp("sessions"), execution_timeout=60) as pool:
        yield pool


def text_of(result: CellResult) -> str:
    """All the text of a cell's outputs."""
    parts: list[str] = []
    for output in result.outputs:
        match output["output_type"]:
            case "stream":
                parts.append(output["text"])
            case "error":
                parts.append("\n".join(output["traceback"]))
            case _:
                parts.append(output["data"].get("text/plain", ""))
    return "\n".join(parts)


async def host_pid(pool: Pool, session: str = "thread_1") -> int:
    """The process of a session's kernel as the host has it, found by a name that the kernel gives itself."""
    name = f"k-{secrets.token_hex(6)}"
    await pool.run(f"import ctypes; ctypes.CDLL(None).prctl(15, b'{name}')", session=session)
    return process_called(name)


def process_called(name: str) -> int:
    """The process of that name."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if comm.read_text().strip() == name:
                return int(comm.parent.name)
    raise AssertionError(f"no process is called {name}")


def parent(pid: int) -> int:
    """The process that a process was started by."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> list[int]:
    """The processes that a process has started, from whichever of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += map(int, task.read_text().split())
    return found


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process that is not our child ends in that time."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], seconds)[0])
    finally:
        os.close(watched)
