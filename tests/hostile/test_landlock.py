"""The rung of Landlock: two kernels of one user without any namespace, who must not reach each other or the host.

What is tried here is what namespaces settle elsewhere. The other programs of this folder are run on this rung, too:
a few of them here, all that make sense in tests/full.
"""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.hostile.conftest import Place, last_line, place_of
from tests.hostile.test_files import PLANTED
from tests.sandbox.conftest import WITHOUT_NAMESPACES
from tests.sessions.conftest import Pool, gone, host_pid, parent, text_of


@pytest.fixture(scope="module")
async def place(built: Environment, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """A place whose kernels have no namespaces. Cells may run for 5 seconds."""
    folder = tmp_path_factory.mktemp("landlock")
    async with place_of(built, folder, Limits(), "landlock", execution_timeout=5) as place:
        await place.pool.run(VICTIM, session="bystander")
        yield place


VICTIM = """
import ctypes, os, socket
ctypes.CDLL(None).prctl(4, 1)  # it may be traced, as far as that is up to it
secret = b"of another session"
print(os.getpid())
"""

OTHERS = {
    "signal 0": "tried(os.kill, PID, 0)",
    "a signal": "tried(os.kill, PID, signal.SIGKILL)",
    "a signal to its group": "tried(os.killpg, PID, signal.SIGKILL)",
    "a signal by descriptor": "tried(lambda: signal.pidfd_send_signal(os.pidfd_open(PID), signal.SIGKILL))",
    "a signal to its thread": "call(234, PID, PID, 9)",
    "a queued signal": "call(129, PID, 9, (ctypes.c_int * 32)(9, 0, -1))",
    "a signal by a pipe's owner": "own(PID)",
    "tracing": "call(101, 16, PID, 0, 0)",
    "reading memory": "call(310, PID, 0, 0, 0, 0, 0)",
    "writing memory": "call(311, PID, 0, 0, 0, 0, 0)",
    "taking a descriptor": "call(438, tried(os.pidfd_open, PID), 0, 0)",
    "comparing": "call(312, PID, os.getpid(), 0, 0, 0)",
    "advising": "call(440, tried(os.pidfd_open, PID), 0, 0, 0, 0)",
    "reaping its memory": "call(448, tried(os.pidfd_open, PID), 0)",
    "moving its pages": "call(279, PID, 0, 0, 0, 0, 0)",
    "its limits": "call(302, PID, 7, 0, (ctypes.c_ulong * 2)())",
    "limits by a high half": "call(302, ctypes.c_ulong(1 << 32 | PID), 7, 0, (ctypes.c_ulong * 2)())",
    "its processors": "tried(os.sched_setaffinity, PID, {0})",
    "its scheduler": "tried(os.sched_setscheduler, PID, os.SCHED_IDLE, os.sched_param(0))",
    "its schedule": "call(314, PID, bytes(48), 0)",
    "its priority": "tried(os.setpriority, os.PRIO_PROCESS, PID, 19)",
    "the priority of all that the user has": "tried(os.setpriority, os.PRIO_USER, 0, 19)",
    "the priority of its group": "tried(os.setpriority, os.PRIO_PGRP, PID, 19)",
    "its disk priority": "call(251, 1, PID, 0x6000)",
    "the disk priority of all that the user has": "call(251, 3, os.getuid(), 0x6000)",
    "its memory by file": "tried(open, '/proc/PID/mem')",
    "its status": "tried(open, '/proc/PID/status')",
    "its environment": "tried(open, '/proc/PID/environ')",
    "its command": "tried(open, '/proc/PID/cmdline')",
    "its descriptors": "tried(os.listdir, '/proc/PID/fd')",
    "its folder": "tried(os.listdir, '/proc/PID/cwd')",
    "its root": "tried(os.listdir, '/proc/PID/root')",
    "being out of memory first": "tried(open, '/proc/PID/oom_score_adj', 'w')",
    "the list of processes": "tried(os.listdir, '/proc')",
    "its own parent": "tried(os.kill, os.getppid(), signal.SIGKILL)",
    "its elder's parent": "tried(os.kill, int(next(l for l in open('/proc/self/stat').read().split(')')[1:])[3:].split()[0]), 0)",
    "the server": "tried(os.kill, SERVER, 0)",
    "its files": "tried(open, os.path.join(os.getcwd(), '../../bystander/data/theirs'))",
    "its folders": "tried(os.listdir, '../../bystander/data')",
    "its temporary files": "tried(os.listdir, '../../bystander/tmp')",
    "a new file there": "tried(open, '../../bystander/data/new', 'w')",
    "moving its file": "tried(os.rename, '../../bystander/data/theirs', 'mine')",
    "another name for its file": "tried(os.link, '../../bystander/data/theirs', 'mine')",
    "removing its file": "tried(os.remove, '../../bystander/data/theirs')",
    "cutting its file": "tried(os.truncate, '../../bystander/data/theirs', 0)",
    "watching its folder": "call(254, call(253), b'../../bystander/data', 0xfff)",
    "attributes of its file": "tried(os.listxattr, '../../bystander/data/theirs')",
    "an attribute of its file": "tried(os.setxattr, '../../bystander/data/theirs', 'user.x', b'x')",
    "the owner of its file": "tried(os.chown, '../../bystander/data/theirs', os.getuid(), os.getgid())",
    "its folder by handle": "call(303, -100, b'../../bystander/data', bytes(200), bytes(8), 0)",
    "a pipe to somebody": "tried(os.mkfifo, '../../x')",
    "the sessions": "tried(os.listdir, '../..')",
    "the host's file": "tried(open, CANARY_)",
    "the host's file for writing": "tried(open, CANARY_, 'r+')",
    "an account's name": "tried(open, '/etc/passwd')",
    "/dev/shm": "tried(open, '/dev/shm/x', 'w')",
    "the common /tmp": "tried(os.listdir, os.path.join('/', 'tmp'))",
    "shared memory of System V": "call(30, 0, 0, 0)",
    "what shared memory there is": "call(31, 0, 13, bytes(200))",
    "semaphores of System V": "call(66, 0, 0, 18, bytes(200))",
    "messages of System V": "call(71, 0, 11, bytes(200))",
    "queues of POSIX": "call(240, b'x', 0o102, 0o600, 0)",
    "mounts of the machine": "call(458, (ctypes.c_ulong * 4)(32, 0, (1 << 64) - 1, 0), bytes(800), 100, 0)",
    "an abstract socket": "tried(socket.socket, socket.AF_UNIX)",
    "an internet socket": "tried(socket.socket)",
    "netlink": "tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)",
    "a pair that can be turned to somebody else": "tried(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)",
    "connecting a pair elsewhere": "tried(socket.socketpair()[0].connect, '\\0x')",
    "a name on the net": "tried(socket.getaddrinfo, 'localhost', 80)",
}
REFUSALS = {
    "'EPERM'",
    "'EACCES'",
    "'EAFNOSUPPORT'",
    "'EOPNOTSUPP'",
    "'ENOSYS'",
    "'ENOENT'",
    "'EXDEV'",
    "'EBADF'",
    "'ENOTSUP'",
    "'EROFS'",
}
REFUSALS |= {"'gaierror'"}

OWNED = """
def own(pid):
    import fcntl
    r, w = os.pipe()
    fcntl.fcntl(r, fcntl.F_SETOWN, pid); fcntl.fcntl(r, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK); os.write(w, b"x")
    return 'EPERM'  # nothing tells; whether it has got there, the bystander tells
"""


@pytest.mark.parametrize("name", [*OTHERS])
async def test_another_kernel_of_the_same_user_is_out_of_reach(place: Place, name: str):
    victim = int(text_of(await place.pool.run("print(os.getpid())", session="bystander")))
    code = OTHERS[name].replace("PID", str(victim)).replace("SERVER", str(os.getpid()))
    code = code.replace("CANARY_", f"'{place.canary}'")

    assert last_line(await place.attack(f"{OWNED}\n{code}")) in REFUSALS
    assert text_of(await place.pool.run("print(os.getpid())", session="bystander")) == f"{victim}\n"


async def test_modes_and_times_of_what_is_not_its_own_stay(place: Place):
    """Landlock does not judge these, and the filter only says that it has set them."""
    theirs = place.pool.data("bystander") / "theirs"
    before = theirs.stat()
    code = """
for path in ("../../bystander/data/theirs", "../../bystander/data"):
    tried(os.chmod, path, 0); tried(os.utime, path, (0, 0))
    tried(lambda: os.fchmod(os.open(path, os.O_PATH), 0))
    call(452, -100, path.encode(), 0, 0)
"""
    await place.attack(code)
    after = theirs.stat()

    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert theirs.parent.stat().st_mode & 0o777 == 0o755


async def test_a_socket_of_the_host_is_not_reached(place: Place):
    path = place.canary.parent / "s"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        listening.bind(str(path))
        heard.bind(f"\0kernelci-{secrets.token_hex(8)}")
        listening.listen()
        path.chmod(0o777)
        code = f"""
a, b = socket.socketpair()
print(tried(a.sendto, b"x", {str(path)!r}), tried(a.sendmsg, [b"x"], [], 0, {heard.getsockname()!r}))
print(call(42, a.fileno(), bytes([1, 0]) + {os.fsencode(path)!r}, {len(os.fsencode(path)) + 2}))
"""
        assert text_of(await place.attack(code, "sockets")).split() == ["EISCONN", "EISCONN", "EPERM"]
        assert not select.select([listening, heard], [], [], 0)[0]


async def test_signals_to_all_reach_its_own_alone(place: Place):
    code = """
child = subprocess.Popen(["sleep", "60"])
print(tried(os.kill, -1, signal.SIGKILL), child.wait())
"""
    assert last_line(await place.attack(code, "all")) == "None -9"


async def test_all_that_it_has_started_ends_with_it(place: Place):
    """Also what forks faster than anybody could list it."""
    marker = f"marker-{secrets.token_hex(8)}"
    code = f"""
def daemon():
    os.setsid(); libc.prctl(1, 0); libc.prctl(36, 1)
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33): signal.signal(number, signal.SIG_IGN)
    libc.prctl(15, b"{marker[:15]}")
for _ in range(5):
    if os.fork() == 0:
        daemon()
        while True:
            try:
                if os.fork(): os._exit(0)
            except OSError: pass
    if os.fork() == 0:
        daemon()
        time.sleep(600)  # a daemon that only stays
"""
    assert (await place.attack(code, "daemons")).status == "ok"
    with anyio.fail_after(20):
        while not called(marker[:15]):
            await anyio.sleep(0.01)  # polled: a daemon names itself when it has begun
    await place.pool.sessions.close("daemons")

    assert not called(marker[:15])


async def test_it_ends_with_its_elder_and_with_the_zygote(built: Environment, tmp_path: Path):
    tmp_path.chmod(0o711)
    folder = tmp_path / "sessions"
    async with (
        Engine(built, folder, Limits(), sandbox="landlock") as engine,
        SessionPool(folder, Settings(), engine) as sessions,
    ):
        pool = Pool(folder, sessions)
        kernel = await host_pid(pool)
        started = text_of(
            await pool.run("import subprocess; print(subprocess.Popen(['setsid', 'sleep', '600']).pid)")
        )
        elder = parent(kernel)
        zygote = parent(elder)
        os.kill(zygote, 9)
        assert all(gone(pid) for pid in (elder, kernel, int(started)))
        kernel = await host_pid(pool)
        os.kill(parent(kernel), 9)
        assert gone(kernel)


async def test_usual_names_mean_the_sessions_folders(place: Place):
    code = """
import pandas as pd
pd.DataFrame({"a": [1]}).to_csv("/mnt/data/t.csv")
name = "t"
print(os.listdir("/mnt/data"), os.path.exists(f"/mnt/data/{name}.csv"), Path("/mnt/data").is_dir(), os.getcwd())
print("[t](sandbox:/mnt/data/t.csv)", "and /mnt/data/t.csv", "/mnt/data/t.csv", b"/mnt/data", str(Path("t.csv").resolve()))
!cat /mnt/data/t.csv; pwd; ls /tmp
x = !echo /mnt/data/*
print(x)
%cd -q /tmp
open("/tmp/y", "w").write("1"); print(os.path.exists("y"), __import__("tempfile").gettempdir())
%cd -q /mnt/data
open("/mnt/data/none")
"""
    told = text_of(await place.pool.run(f"import os\nfrom pathlib import Path\n{code}", session="names"))

    assert told.startswith(
        "['t.csv'] True True /mnt/data\n"
        "[t](sandbox:/mnt/data/t.csv) and /mnt/data/t.csv /mnt/data/t.csv b'/mnt/data' /mnt/data/t.csv\n"
        ",a\n0,1\n/mnt/data\n['/mnt/data/t.csv']\nTrue /tmp\n"
    )
    assert "No such file or directory: '/mnt/data/none'" in told
    assert str(place.pool.folder) not in told
    found = await place.pool.sessions.file("names", "t.csv")
    assert found
    found.handle.close()


@pytest.mark.parametrize("name", [*PLANTED])
async def test_the_host_does_not_fall_for_what_is_planted(place: Place, name: str):
    session = f"planted_{[*PLANTED].index(name)}"
    await place.attack(PLANTED[name], session)

    assert await place.pool.sessions.file(session, "out.csv") is None


async def test_it_has_no_rights_and_gains_none(place: Place):
    code = """
status = open("/proc/self/status").read().splitlines()
print({line.split()[1] for line in status if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb"))})
print([line.split()[1] for line in status if line.startswith(("NoNewPrivs", "Seccomp:"))], os.getuid() == 0)
print({open(f"/proc/self/{name}").read() for name in ()} or len(os.listdir("/proc/self/fd")))
"""
    told = text_of(await place.attack(code)).splitlines()

    assert told[:2] == ["{'0000000000000000'}", "['1', '2'] False"]


async def test_temporary_files_go_with_the_kernel(place: Place):
    await place.attack("open('/tmp/left', 'w').write('1'); os.symlink('CANARY', '/tmp/link'); os._exit(0)", "left")

    assert last_line(await place.attack("os.listdir('/tmp')", "left")) == "[]"


async def test_what_a_killed_server_has_left_goes_at_the_next_start(built: Environment, tmp_path: Path):
    (tmp_path / "sessions" / ".zygote-x" / "matplotlib").mkdir(parents=True)
    async with place_of(built, tmp_path, Limits(), "landlock") as place:
        left = [each.name for each in place.pool.folder.glob(".zygote-*")]

        assert len(left) == 1
        assert left != [".zygote-x"]
    assert not [*place.pool.folder.glob(".*")]


async def test_its_temporary_files_count_as_its_disk(built: Environment, tmp_path: Path):
    async with place_of(built, tmp_path, Limits(), "landlock", disk=16 << 20) as place:
        # It goes on after filling it, so that it is the look at the disk that stops it.
        result = await place.attack("Path('/tmp/x').write_bytes(bytes(20 << 20))\ntime.sleep(60)", "full")

        assert result.status == "interrupted"
        assert "take more than 16 MiB" in text_of(result)


def test_it_is_taken_where_a_filter_forbids_namespaces(tmp_path: Path):
    """As in a container: no mount and no namespace can be had by anybody, and still code runs, in its place."""
    own = str(tmp_path)
    script = f"""
import json, os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from kernelci.sandbox import probe
print(json.dumps([each.cause for each in probe.protections("landlock")]))
"""
    done = subprocess.run(
        [*WITHOUT_NAMESPACES, sys.executable, "-c", script], cwd=own, capture_output=True, text=True, check=True
    )
    causes = done.stdout
    if os.geteuid():
        assert causes == "[null, null, null, null]\n"
    else:  # the interpreter lies where the user that kernels run as may not enter
        assert causes.startswith("[null, null, null, ")


def called(name: str) -> list[int]:
    """The processes of that name."""
    found: list[int] = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name:
                found.append(int(comm.parent.name))
        except OSError:
            continue
    return found
