"""When kernels are started and when they have to go: idleness, want of room, closing, restarts and crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from kernelci.engine.ports import CellResult
from kernelci.errors import KernelUnavailable
from kernelci.sandbox.environment import Environment
from kernelci.sessions import orphans
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.sessions.conftest import Pool, Started, gone, text_of, unheard


async def pid_of(pool: Pool, session: str = "thread_1") -> int:
    """The process of a session's kernel."""
    return int(text_of(await pool.run("import os; os.getpid()", session=session)).splitlines()[-1])


async def test_all_kernels_have_gone_when_the_pool_has(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        kernels = [await pid_of(pool, session) for session in ("one", "two")]
        runtimes = [json.loads(note.read_bytes())["runtime"] for note in tmp_path.glob("*/kernel.json")]
        assert len(runtimes) == 2

    assert not any(Path(f"/proc/{kernel}").exists() for kernel in kernels)
    assert not any(Path(runtime).exists() for runtime in runtimes)
    assert not list(tmp_path.glob("*/kernel.json"))


async def test_leaving_the_pool_ends_a_cell_that_runs(started: Started, tmp_path: Path):
    results: list[CellResult] = []
    begun = anyio.Event()

    async def on_stream(stream: str, text: str) -> None:
        begun.set()

    async with anyio.create_task_group() as tasks, started(tmp_path) as pool:

        async def run() -> None:
            code = "print(1)\nwhile True: pass"
            results.append(await pool.sessions.execute("s", code, files=(), on_stream=on_stream))

        tasks.start_soon(run)
        await begun.wait()

    assert [result.status for result in results] == ["dead"]


async def test_an_idle_kernel_goes_and_the_next_cell_is_told(started: Started, tmp_path: Path):
    async with started(tmp_path, session_idle=0.2) as pool:
        kernel = await pid_of(pool)
        while Path(f"/proc/{kernel}").exists():
            await anyio.sleep(0.01)
        result = await pool.run("1")

    assert result.status == "ok"
    assert "because the last one was idle" in result.outputs[0]["text"]
    assert result.outputs[1]["data"]["text/plain"] == "1"


async def test_the_longest_idle_kernel_makes_room(started: Started, tmp_path: Path):
    async with started(tmp_path, max_kernels=2) as pool:
        for session in ("old", "new"):
            await pool.run("x = 1", session=session)
        await pool.run("x = 2", session="third")

        assert text_of(await pool.run("x", session="third")) == "2"
        assert text_of(await pool.run("x", session="new")) == "1"
        assert "others needed its place" in text_of(await pool.run("1", session="old"))


async def test_a_session_waits_when_all_kernels_are_busy(started: Started, tmp_path: Path):
    begun = anyio.Event()
    done: list[str] = []

    async def on_stream(stream: str, text: str) -> None:
        begun.set()

    async with started(tmp_path, max_kernels=1) as pool, anyio.create_task_group() as tasks:

        async def run(session: str, code: str) -> None:
            await pool.sessions.execute(session, code, files=(), on_stream=on_stream)
            done.append(session)

        first = "print(1)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
        tasks.start_soon(run, "first", first)
        await begun.wait()
        tasks.start_soon(run, "second", "1")
        await anyio.wait_all_tasks_blocked()
        assert done == []
        (pool.data("first") / "go").touch()

    assert done == ["first", "second"]


async def test_a_start_that_is_cancelled_gives_its_place_back(started: Started, tmp_path: Path):
    async with started(tmp_path, max_kernels=1) as pool:
        for seconds in (0, 0.02, 0.1, 0.2):
            with anyio.move_on_after(seconds):
                await pool.run("1", session=f"s{seconds}".replace(".", "_"))
        assert text_of(await pool.run("2")) == "2"


async def test_closing_takes_the_kernel_and_the_folder(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        kernel = await pid_of(pool)
        await pool.run(
            "import os\nos.makedirs('a/b'); os.symlink('/etc', 'a/etc'); os.mkfifo('f'); os.chmod('a', 0)"
        )
        await pool.sessions.close("thread_1")
        await pool.sessions.close("thread_unknown")

        assert not Path(f"/proc/{kernel}").exists()
        assert list(tmp_path.iterdir()) == []
        assert Path("/etc/passwd").exists()
        assert text_of(await pool.run("'x' in globals()")) == "False"


async def test_closing_in_the_middle_of_a_cell(started: Started, tmp_path: Path):
    begun = anyio.Event()
    results: list[CellResult] = []

    async def on_stream(stream: str, text: str) -> None:
        begun.set()

    async with started(tmp_path) as pool, anyio.create_task_group() as tasks:

        async def run() -> None:
            code = "print(1)\nwhile True: pass"
            results.append(await pool.sessions.execute("s", code, files=(), on_stream=on_stream))

        tasks.start_soon(run)
        await begun.wait()
        await pool.sessions.close("s")
        assert list(tmp_path.iterdir()) == []

    assert [result.status for result in results] == ["dead"]


async def test_a_session_outlives_its_server_but_not_its_variables(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        await pool.run("x = 1; open('kept', 'w').write('yes')")
    async with started(tmp_path) as pool:
        result = await pool.run("print(open('kept').read(), 'x' in globals())")

    assert "because the server was restarted" in text_of(result)
    assert text_of(result).endswith("yes False\n")


HOST = """
import sys, anyio
from pathlib import Path
from kernelci.sandbox.environment import Environment
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings

async def heard(stream, text):
    sys.stdout.write(text); sys.stdout.flush()

async def main(folder, environment, lock):
    async with SessionPool(Path(folder), Settings(), Environment(Path(environment), Path(lock))) as pool:
        code = "import os, time; print(os.getpid(), flush=True)\\nwhile True: time.sleep(1)"
        await pool.execute("s", code, files=(), on_stream=heard)

anyio.run(main, *sys.argv[1:])
"""


async def test_a_killed_host_leaves_no_kernel(built: Environment, started: Started, tmp_path: Path):
    command = [sys.executable, "-c", HOST, str(tmp_path), str(built.folder), str(built.lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        kernel = int(host.stdout.readline())
        host.send_signal(signal.SIGKILL)

    assert gone(kernel)
    runtime = Path(json.loads((tmp_path / "s" / "kernel.json").read_bytes())["runtime"])
    assert runtime.exists()
    async with started(tmp_path):
        assert not runtime.exists()


async def test_an_orphan_is_reaped_with_its_sockets(started: Started, tmp_path: Path):
    session, runtime = tmp_path / "s", Path("/tmp") / f"kernelci-test-{os.getpid()}"
    session.mkdir()
    runtime.mkdir()
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as orphan:
        orphans.note(session, orphan.pid, runtime)
        async with started(tmp_path):
            assert orphan.wait(10) == -signal.SIGKILL

    assert not runtime.exists()
    assert not (session / "kernel.json").exists()


def test_only_the_noted_process_is_reaped(tmp_path: Path):
    (tmp_path / "s").mkdir()
    note = tmp_path / "s" / "kernel.json"
    precious = tmp_path / "kernelci-precious"
    precious.mkdir()
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as other:
        orphans.note(tmp_path / "s", other.pid, precious)
        noted = json.loads(note.read_bytes())
        for changed in (noted | {"started": 1}, noted | {"boot": "another"}, [], {"pid": other.pid}):
            note.write_text(json.dumps(changed))
            orphans.reap(tmp_path)
            assert other.poll() is None
        other.kill()

    assert precious.exists()


async def test_an_environment_that_cannot_be_built_is_told(tmp_path: Path):
    (tmp_path / "requirements.lock").write_text("this is no requirement\n")
    broken = Environment(tmp_path / "environments" / "e", tmp_path / "requirements.lock")
    async with SessionPool(tmp_path / "sessions", Settings(), broken) as pool:
        with pytest.raises(KernelUnavailable, match="could not be built"):
            await pool.execute("s", "1", files=(), on_stream=unheard)
        with pytest.raises(KernelUnavailable, match="could not be built"):
            await pool.execute("s", "1", files=(), on_stream=unheard)


@pytest.mark.parametrize("id", ["", "..", "a/b", "a\0", ".hidden", "x" * 200])
async def test_a_sessions_id_is_no_path(started: Started, tmp_path: Path, id: str):
    async with started(tmp_path / "sessions") as pool:
        with pytest.raises(ValueError, match="not a session's id"):
            await pool.run("1", session=id)
        with pytest.raises(ValueError, match="not a session's id"):
            await pool.sessions.close(id)
