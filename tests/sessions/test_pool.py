"""When kernels are started and when they have to go: idleness, want of room, closing, restarts and crashes."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kernelci.engine.ports.sessions import CellResult
from kernelci.errors import KernelUnavailable
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment, of_kernelspec
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.sessions.conftest import Started, children, gone, host_pid, parent, process_called, text_of, unheard


async def test_all_kernels_have_gone_when_the_pool_has(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        kernels = [await host_pid(pool, session) for session in ("one", "two")]
        zygote = parent(kernels[0])
        known = {zygote, *children(zygote)}

    assert known >= {*kernels}
    assert all(gone(process) for process in known)


async def test_leaving_the_pool_ends_a_cell_that_runs(started: Started, tmp_path: Path):
    results: list[CellResult] = []
    begun = anyio.Event()

    async def on_output(stream: str, text: str) -> None:
        begun.set()

    async with anyio.create_task_group() as tasks, started(tmp_path) as pool:

        async def run() -> None:
            code = "print(1)\nwhile True: pass"
            results.append(await pool.sessions.execute("s", code, files=(), on_output=on_output))

        tasks.start_soon(run)
        await begun.wait()

    assert [result.status for result in results] == ["dead"]


async def test_an_idle_kernel_goes_and_the_next_cell_is_told(started: Started, tmp_path: Path):
    async with started(tmp_path, session_idle=0.2) as pool:
        kernel = await host_pid(pool)
        assert await to_thread.run_sync(gone, kernel)
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

    async def on_output(stream: str, text: str) -> None:
        begun.set()

    async with started(tmp_path, max_kernels=1) as pool, anyio.create_task_group() as tasks:

        async def run(session: str, code: str) -> None:
            await pool.sessions.execute(session, code, files=(), on_output=on_output)
            done.append(session)

        # Polled: the file is the sign to go on.
        first = "print(1)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
        tasks.start_soon(run, "first", first)
        await begun.wait()
        tasks.start_soon(run, "second", "1")
        await anyio.wait_all_tasks_blocked()
        assert done == []
        (pool.data("first") / "go").touch()

    assert done == ["first", "second"]


async def test_an_idle_kernel_is_kept_for_ever_where_that_is_wanted(started: Started, tmp_path: Path):
    async with started(tmp_path, session_idle="never") as pool:
        await pool.run("x = 1")

        assert text_of(await pool.run("x")) == "1"


# Polled: the file is the sign to go on.
WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"


async def test_cells_have_their_turns_in_the_order_in_which_they_came(started: Started, tmp_path: Path):
    done: list[str] = []

    async with started(tmp_path, max_busy=1, execution_timeout=30) as pool, anyio.create_task_group() as tasks:
        turns = pool.sessions._turns

        async def run(session: str, code: str) -> None:
            await pool.run(code, session=session)
            done.append(session)

        for session, code, running, waiting in (
            ("many", WAITS, 1, 0),
            ("many", "1", 1, 0),
            ("many", "2", 1, 0),
            ("one", "3", 1, 1),
            ("another", "4", 1, 2),
        ):
            tasks.start_soon(run, session, code)
            await anyio.wait_all_tasks_blocked()
            while (turns.borrowed_tokens, turns.statistics().tasks_waiting) != (running, waiting):
                await anyio.sleep(0.01)  # polled: a limiter tells nobody who waits for it
        assert done == []
        (pool.data("many") / "go").touch()

    assert done == [
        "many",
        "one",
        "another",
        "many",
        "many",
    ]  # many cells of one session have one place in the queue


async def test_waiting_for_a_turn_can_be_cancelled_and_is_not_the_cells_time(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    loop = asyncio.get_running_loop()
    hours, time = [0], loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + 3600 * hours[0])
    results: dict[str, CellResult] = {}

    async with started(tmp_path, max_busy=1, execution_timeout=3600, session_idle="never") as pool:
        turns = pool.sessions._turns

        async def run(session: str, waiting: anyio.CancelScope) -> None:
            with waiting:
                results[session] = await pool.run("1", session=session)

        async with pool.busy("print(1)\nwhile True: pass", "first") as first, anyio.create_task_group() as tasks:
            second, third = anyio.CancelScope(), anyio.CancelScope()
            tasks.start_soon(run, "second", second)
            tasks.start_soon(run, "third", third)
            while turns.statistics().tasks_waiting != 2:
                await anyio.sleep(0.01)  # polled: a limiter tells nobody who waits for it
            third.cancel()
            hours[0] = 1  # all that the first may take, and the second, had its waiting been counted

    assert third.cancelled_caught
    assert [first[0].status, results["second"].status] == ["timeout", "ok"]


async def test_a_start_that_is_cancelled_gives_its_place_back(started: Started, tmp_path: Path):
    async with started(tmp_path, max_kernels=1) as pool:
        for seconds in (0, 0.02, 0.1, 0.2):
            with anyio.move_on_after(seconds):
                await pool.run("1", session=f"s{seconds}".replace(".", "_"))
        assert text_of(await pool.run("2")) == "2"


async def test_closing_takes_the_kernel_and_the_folder(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        kernel = await host_pid(pool)
        await pool.run(
            "import os\nos.makedirs('a/b'); os.symlink('/etc', 'a/etc'); os.mkfifo('f'); os.chmod('a', 0)"
        )
        await pool.sessions.close("thread_1")
        await pool.sessions.close("thread_unknown")

        assert gone(kernel)
        assert list(tmp_path.iterdir()) == []
        assert Path("/etc/passwd").exists()
        assert text_of(await pool.run("'x' in globals()")) == "False"


async def test_closing_in_the_middle_of_a_cell(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool, pool.busy("print(1)\nwhile True: pass", "s") as results:
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


async def test_a_zygote_that_dies_is_replaced_and_its_sessions_are_told(started: Started, tmp_path: Path):
    async with started(tmp_path) as pool:
        kernels = [await host_pid(pool, session) for session in ("idle", "busy")]
        async with pool.busy("print(1)\nwhile True: pass", "busy") as results:
            os.kill(parent(kernels[0]), signal.SIGKILL)
        after = [await pool.run("1 + 1", session=session) for session in ("idle", "busy", "new")]

    assert all(gone(kernel) for kernel in kernels)
    assert results[0].status == "dead"
    assert "The kernel has ended: the process that kernels are forked from has ended." in text_of(results[0])
    assert "the last one has ended (the process that kernels are forked from has ended)" in text_of(after[0])
    assert [text_of(result).endswith("2") for result in after] == [True] * 3
    assert text_of(after[1]) == text_of(after[2]) == "2"


HOST = """
import sys, anyio
from pathlib import Path
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment, of_kernelspec
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings

async def heard(stream, text):
    sys.stdout.write(text); sys.stdout.flush()

async def main(folder, environment, lock, name):
    folder = Path(folder)
    async with (
        Engine(Environment(Path(environment), Path(lock)), folder, Limits()) as engine,
        SessionPool(folder, Settings(), engine) as pool,
    ):
        code = f"import ctypes, subprocess; ctypes.CDLL(None).prctl(15, b'{name}')\\n"
        code += "subprocess.Popen(['sleep', '100'])\\nprint('begun')\\nwhile True: pass"
        await pool.execute("s", code, files=(), on_output=heard)

anyio.run(main, *sys.argv[1:])
"""


def test_a_killed_host_leaves_no_kernel_and_another_server_keeps_its_own(built: Environment, tmp_path: Path):
    names = [f"k-{secrets.token_hex(6)}" for _ in range(2)]
    hosts: list[subprocess.Popen[str]] = []
    for name in names:
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", HOST, str(tmp_path / name), str(built.folder), str(built.lock), name]
        hosts.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    try:
        for host in hosts:
            assert host.stdout is not None
            assert host.stdout.readline() == "begun\n"
        first, second = map(process_called, names)
        zygote, below = parent(first), children(first)
        assert below
        hosts[0].send_signal(signal.SIGKILL)

        assert all(gone(process) for process in (first, zygote, *below))
        assert not gone(second, seconds=0)
    finally:
        for host in hosts:
            host.kill()
            host.communicate()

    assert gone(second)


async def test_an_environment_that_cannot_be_built_is_told(place: Path, tmp_path: Path):
    (place / "requirements.lock").write_text("this is no requirement\n")
    broken = of_kernelspec(place, place)
    folder = tmp_path / "sessions"
    async with Engine(broken, folder, Limits()) as engine, SessionPool(folder, Settings(), engine) as pool:
        for _ in range(2):
            with pytest.raises(KernelUnavailable, match="could not be built"):
                await pool.execute("s", "1", files=(), on_output=unheard)


@pytest.mark.parametrize("id", ["", "..", "a/b", "a\0", ".hidden", "x" * 200])
async def test_a_sessions_id_is_no_path(started: Started, tmp_path: Path, id: str):
    async with started(tmp_path / "sessions") as pool:
        with pytest.raises(ValueError, match="not a session's id"):
            await pool.run("1", session=id)
        with pytest.raises(ValueError, match="not a session's id"):
            await pool.sessions.close(id)
