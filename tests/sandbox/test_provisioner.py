"""A kernel as any Jupyter client starts it: its folder, its surroundings, and what becomes of them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from kernelci.errors import KernelUnavailable
from kernelci.sandbox.environment import Environment
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
            first = await value(client, "open('/proc/self/environ').read()")
            opened_there = (
                "[os.readlink(f'/proc/self/fd/{n}') for n in range(256) if os.path.lexists(f'/proc/self/fd/{n}')]"
            )
            targets = await value(client, opened_there.replace("os.", "__import__('os')."))
            inside = await value(client, "sorted(__import__('os').listdir('/mnt/data'))")
            mnt = await value(client, "sorted(__import__('os').listdir('/mnt'))")
            argv = await value(client, "__import__('sys').argv")
    finally:
        os.close(opened)

    assert "secret" not in json.dumps(environ) + first
    ours = {"HOME", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "TZ"}
    assert ours <= set(environ) <= ours | {"TERM", "PAGER", "GIT_PAGER"}
    assert not [target for target in targets if target.startswith(str(tmp_path))]
    assert inside == ["seen.csv"]
    assert set(mnt) >= {entry.name for entry in Path("/mnt").iterdir() if entry.is_dir()} | {"data"}
    assert argv == [""]


async def test_what_it_leaves_in_its_process_group_goes_with_it(built: Environment):
    async with jupyter() as (manager, client):
        left = await value(client, "__import__('subprocess').Popen(['sleep', '1000']).pid")
        client.execute("import os; os._exit(0)")
        assert await manager.provisioner.wait() == 0
        assert gone(left)


async def test_one_that_cannot_start_says_why_and_leaves_nothing(built: Environment, tmp_path: Path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    manager = AsyncKernelManager(kernel_name="kernelci")
    with pytest.raises(KernelUnavailable, match="No module named 'ipykernel'"):
        await manager.start_kernel(environment=Environment(tmp_path, built.lock))
    runtime = manager.provisioner.runtime
    await manager.shutdown_kernel(now=True)
    assert not runtime.exists()

    python.write_text("#!/bin/sh\nexit 4\n")
    manager = AsyncKernelManager(kernel_name="kernelci")
    with pytest.raises(KernelUnavailable, match=r"exit code 4"):
        await manager.start_kernel(environment=Environment(tmp_path, built.lock))
    await manager.shutdown_kernel(now=True)


SCRIPT = """
import os, sys, anyio
from pathlib import Path
from kernelci.sandbox.environment import Environment
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings

CODE = '''
import os
open('/mnt/data/made.csv', 'w').write('x')
print(os.getcwd())
print(os.listdir(f"{'/mnt/data'}/"), '/mnt/database', b'/mnt/data/x')
!ls /mnt/data
'''

async def heard(stream, text):
    sys.stdout.write(text)

async def main(folder, environment, lock):
    print(os.geteuid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])
    async with SessionPool(Path(folder), Settings(), Environment(Path(environment), Path(lock))) as pool:
        print((await pool.execute("s", CODE, files=(), on_stream=heard)).status)

anyio.run(main, *sys.argv[1:])
"""


def test_it_works_for_an_ordinary_user(built: Environment, tmp_path: Path):
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    told = subprocess.check_output(
        [*user, sys.executable, "-c", SCRIPT, tmp_path, built.folder, built.lock], text=True
    ).splitlines()

    assert told[0] == "1000 0000000000000000"
    assert told[1:] == ["/mnt/data", "['made.csv'] /mnt/database b'/mnt/data/x'", "made.csv", "ok"]


def test_without_namespaces_the_code_means_its_folder(built: Environment, tmp_path: Path):
    forbidden = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    forbidden += ['echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    told = subprocess.check_output(
        [*forbidden, sys.executable, "-c", SCRIPT, tmp_path, built.folder, built.lock], text=True
    ).splitlines()

    data = tmp_path / "s" / "data"
    assert told[1:] == [str(data), f"['made.csv'] /mnt/database b'{data}/x'", "made.csv", "ok"]
