"""A kernel as any Jupyter client starts it: its folder, its surroundings, and what becomes of them."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from kernelci.errors import KernelUnavailable
from kernelci.sandbox import runtime
from kernelci.sandbox.environment import Environment
from tests.sandbox.conftest import FORBIDDEN
from tests.sessions.conftest import gone


@asynccontextmanager
async def jupyter(**start: Any) -> AsyncGenerator[tuple[AsyncKernelManager, AsyncKernelClient]]:
    """A kernel under jupyter_client's own care, and its client."""
    manager = AsyncKernelManager(kernel_name="kernelci")
    await manager.start_kernel(**start)
    client = manager.client()
    client.start_channels(stdin=False)
    try:
        await client.wait_for_ready(timeout=30)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def value(client: AsyncKernelClient, expression: str) -> Any:
    """The value of an expression in the kernel, by way of JSON."""
    reply = await client.execute_interactive(
        "", user_expressions={"v": f"__import__('json').dumps({expression})"}, timeout=30, allow_stdin=False
    )
    return json.loads(eval(reply["content"]["user_expressions"]["v"]["data"]["text/plain"]))  # a str's repr


HOSTILE = """
import os, socket, subprocess
def tried(what):
    try:
        return repr(what())
    except Exception as error:
        return type(error).__name__
def connected(port):
    with socket.create_connection(('127.0.0.1', port), timeout=5):
        return 'connected'
"""


async def test_any_client_can_start_one_without_a_session(built: Environment):
    async with jupyter() as (manager, client):
        runtime = manager.provisioner.runtime
        sockets = [path for path in runtime.iterdir() if path.is_socket()]
        assert await value(client, "__import__('os').getcwd()") == "/mnt/data"
        assert await value(client, "__import__('os').listdir('.')") == []

        assert stat.S_IMODE(runtime.stat().st_mode) & 0o777 == 0o700
        assert len(sockets) == 5
        assert all(len(os.fsencode(socket)) < 100 for socket in sockets)

        await manager.restart_kernel(now=True)
        assert runtime.exists()
        await client.wait_for_ready(timeout=30)
        assert await value(client, "1 + 1") == 2

    assert not runtime.exists()


async def test_it_has_the_folder_and_nothing_of_ours(built: Environment, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("KERNELCI_API_KEY", "secret")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "seen.csv").touch()
    opened = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(opened, True)
    try:
        async with jupyter(folder=tmp_path / "data", environment=built) as (_, client):
            environ = await value(client, "dict(__import__('os').environ)")
            await client.execute_interactive(HOSTILE, timeout=30, allow_stdin=False)
            there = await value(client, "[tried(lambda: os.fstat(n).st_ino) for n in range(256)]")
            inside = await value(client, "sorted(__import__('os').listdir('/mnt/data'))")
            mnt = await value(client, "__import__('os').listdir('/mnt')")
            argv = await value(client, "__import__('sys').argv")
    finally:
        os.close(opened)

    assert "secret" not in json.dumps(environ)
    ours = {"HOME", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "PWD", "TMPDIR", "TZ"}
    assert ours <= set(environ) <= ours | {"TERM", "PAGER", "GIT_PAGER"}
    assert str(tmp_path.stat().st_ino) not in there
    assert there.count("OSError") > 128
    assert inside == ["seen.csv"]
    assert mnt == ["data"]
    assert argv == [""]


async def test_it_is_confined(built: Environment, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("of the host")
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with jupyter() as (manager, client):
            await client.execute_interactive(HOSTILE, timeout=30, allow_stdin=False)
            for attempt, refusal in {
                f"lambda: open({str(secret)!r}).read()": "FileNotFoundError",
                f"lambda: connected({port})": "ConnectionRefusedError",
                "lambda: socket.getaddrinfo('example.com', 80)": "gaierror",
                "lambda: os.listdir('/s')": "PermissionError",
                "lambda: open('/usr/bin/made', 'w')": "OSError",
                "lambda: os.setuid(0)": "OSError",
                "lambda: open('/proc/1/environ').read()": "PermissionError",
                "lambda: bytearray(64 << 30)": "MemoryError",
            }.items():
                assert await value(client, f"tried({attempt})") == refusal, attempt
            seen = await value(
                client, "[os.getuid(), os.getpid(), [p for p in os.listdir('/proc') if p.isdigit()]]"
            )
            status = await value(client, "open('/proc/self/status').read()")
            sockets = [str(path) for path in manager.provisioner.runtime.iterdir() if path.is_socket()]
            assert await value(client, f"[os.path.exists(path) for path in {sockets}]") == [False] * 5

    assert seen == [1000, 1, ["1"]]
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert (lines["NoNewPrivs"].strip(), lines["Seccomp"].strip()) == ("1", "2")
    assert [int(lines[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5


async def test_what_it_makes_is_in_the_folder(built: Environment, tmp_path: Path):
    async with jupyter(folder=tmp_path / "data", environment=built) as (_, client):
        assert await value(client, "open('/mnt/data/made.csv', 'w').write('a,b')") == 3
    assert (tmp_path / "data" / "made.csv").read_text() == "a,b"


async def test_a_cell_can_be_interrupted(built: Environment):
    async with jupyter() as (manager, client):
        busy = client.execute("print('busy', flush=True)\nwhile True: pass", stop_on_error=False)
        while (await client.get_iopub_msg(timeout=30))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        reply = await client.get_shell_msg(timeout=30)
        while reply["parent_header"].get("msg_id") != busy:
            reply = await client.get_shell_msg(timeout=30)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert await value(client, "1 + 1") == 2


def test_nbclient_runs_a_notebook_on_it(built: Environment):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import pandas as pd, matplotlib.pyplot as plt\npd.Series([1, 2]).sum()"),
            nbformat.v4.new_code_cell("plt.plot([1, 2]); plt.show()\nopen('/mnt/data/x', 'w').write('y')"),
        ],
        metadata={"kernelspec": {"name": "kernelci", "display_name": "kernelci"}},
    )
    first, second = NotebookClient(notebook, timeout=60).execute().cells

    assert [output.output_type for output in first.outputs] == ["execute_result"]
    assert "3" in first.outputs[0].data["text/plain"]
    assert "image/png" in second.outputs[0].data
    assert second.outputs[1].data["text/plain"] == "1"


async def test_what_it_has_started_goes_with_it(built: Environment):
    async with jupyter() as (manager, client):
        await value(client, "__import__('subprocess').Popen(['sleep', '98765'], start_new_session=True).pid")
        left = [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and sleeps(pid)]
        assert len(left) == 1
        client.execute("import os; os._exit(7)")
        assert await manager.provisioner.wait() == 7
        assert gone(int(left[0].name))


def sleeps(process: Path) -> bool:
    """Whether a process is the one that the test has started in a kernel."""
    try:
        return (process / "cmdline").read_bytes() == b"sleep\0" + b"98765\0"
    except OSError:
        return False


async def test_it_goes_with_its_host(built: Environment, tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path / "data", "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        pid = int(next(line for line in host.stdout if line.startswith("pid ")).split()[1])
        host.kill()
    assert gone(pid)


async def test_what_a_killed_host_has_left_is_removed_by_the_next(built: Environment, tmp_path: Path, monkeypatch):
    with tempfile.TemporaryDirectory() as short, monkeypatch.context() as patched:
        patched.setenv("TMPDIR", short)  # as short as sockets' paths have to be
        patched.setattr(tempfile, "tempdir", None)
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path / "data", "wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as host:
            next(line for line in host.stdout if line.startswith("pid "))
            (left,) = Path(short).iterdir()
            runtime.make().rmdir()
            assert left.exists()
            host.kill()
        runtime.make().rmdir()

        assert not left.exists()


async def test_its_limits_are_those_of_the_settings(built: Environment, monkeypatch):
    monkeypatch.setenv("KERNELCI_MEMORY", "600MiB")
    monkeypatch.setenv("KERNELCI_PROCESSES", "50")
    async with jupyter() as (_, client):
        await client.execute_interactive(HOSTILE, timeout=30, allow_stdin=False)
        limits = await value(
            client, "[(r := __import__('resource')).getrlimit(r.RLIMIT_DATA), r.getrlimit(r.RLIMIT_NPROC)]"
        )
        assert limits == [[600 << 20] * 2, [50] * 2]
        assert await value(client, "tried(lambda: len(bytearray(700 << 20)))") == "MemoryError"


FILL = """
import itertools
for number in itertools.count():
    with open(f'/mnt/data/{number}', 'wb') as file:
        file.write(bytes(1 << 20))
"""


async def test_a_cell_that_fills_the_disk_is_interrupted(built: Environment, monkeypatch):
    monkeypatch.setenv("KERNELCI_DISK", "32MiB")
    async with jupyter() as (_, client):
        reply = await client.execute_interactive(FILL, timeout=60, allow_stdin=False)
        assert reply["content"]["ename"] == "KeyboardInterrupt"


async def test_one_that_cannot_start_says_why_and_leaves_nothing(built: Environment, place: Path):
    python = place / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    manager = AsyncKernelManager(kernel_name="kernelci")
    with pytest.raises(KernelUnavailable, match="No module named 'zmq'"):
        await manager.start_kernel(environment=Environment(place / "environment", built.lock))
    runtime = manager.provisioner.runtime
    await manager.shutdown_kernel(now=True)
    assert not runtime.exists()

    python.write_text("#!/bin/sh\nexit 4\n")
    manager = AsyncKernelManager(kernel_name="kernelci")
    with pytest.raises(KernelUnavailable, match=r"exit code 4"):
        await manager.start_kernel(environment=Environment(place / "environment", built.lock))
    await manager.shutdown_kernel(now=True)


SCRIPT = """
import os, sys, anyio
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from kernelci.errors import KernelUnavailable

CODE = "import os; open('/mnt/data/made.csv', 'w'); print(os.getuid(), os.getcwd(), os.listdir('/mnt/data'))"

async def main(folder, wait=""):
    print(os.geteuid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])
    manager = AsyncKernelManager(kernel_name='kernelci')
    try:
        await manager.start_kernel(folder=Path(folder))
    except KernelUnavailable as error:
        sys.exit(print(error))
    if wait:
        print('pid', manager.provisioner.process.pid, flush=True)
        sys.stdin.read()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    await client.execute_interactive(CODE, timeout=30, allow_stdin=False)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)

anyio.run(main, *sys.argv[1:])
"""


def test_it_works_for_an_ordinary_user(built: Environment, tmp_path: Path):
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    told = subprocess.check_output([*user, sys.executable, "-c", SCRIPT, tmp_path / "data"], text=True).splitlines()

    assert told == ["1000 0000000000000000", "1000 /mnt/data ['made.csv']"]
    assert (tmp_path / "data" / "made.csv").exists()


def test_without_namespaces_it_does_not_start(built: Environment, tmp_path: Path):
    told = subprocess.check_output([*FORBIDDEN, sys.executable, "-c", SCRIPT, tmp_path / "data"], text=True)

    _, sentence = told.splitlines()
    assert sentence.startswith("Kernels cannot be confined on this machine: ")
    assert sentence.endswith("`kernelci doctor`.")
    assert list((tmp_path / "data").iterdir()) == []
