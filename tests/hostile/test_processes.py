"""Programs that want all processes, all memory, or a life after the kernel's."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import os
import select
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from anyio import to_thread

from kernelci.sandbox.environment import Environment
from kernelci.sandbox.groups import Groups, Shares
from kernelci.sandbox.level import Level
from kernelci.sandbox.zygote import Limits
from tests.hostile.conftest import Place, last_line, place_of
from tests.sessions.conftest import gone, process_called, text_of

SMALL = Limits(memory=512 << 20, processes=24, file=1 << 20, temporary=16 << 20)


@pytest.fixture(scope="module")
async def small(built: Environment, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """A place whose sessions have small limits."""
    async with place_of(built, tmp_path_factory.mktemp("small"), SMALL, execution_timeout=10) as place:
        yield place


BOMBS = {
    "forks": (
        """
children = []
try:
    for _ in range(1000):
        pid = os.fork()
        if pid == 0: signal.pause()
        children.append(pid)
except BlockingIOError: pass
for pid in children: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
len(children) < 24
""",
        "True",
    ),
    "threads": (
        """
end = threading.Event()
begun = 0
try:
    for begun in range(1000): threading.Thread(target=end.wait).start()
except RuntimeError: pass
end.set()
begun < 24
""",
        "True",
    ),
    "zombies": (
        """
made = 0
try:
    for made in range(1000):
        if os.fork() == 0: os._exit(0)
except BlockingIOError: pass
while tried(os.waitpid, -1, 0) != "ECHILD": pass
made < 24
""",
        "True",
    ),
    "one block of memory": ("tried(bytearray, 1 << 32)", "'MemoryError'"),
    "small blocks of memory": (
        "def fill():\n    held = []\n    while True: held.append(bytearray(1 << 20))\ntried(fill)",
        "'MemoryError'",
    ),
    "shared memory of no file": ("tried(mmap.mmap, -1, 1 << 33)", "'ENOMEM'"),
    "memory behind descriptors": ("tried(os.memfd_create, 'x')", "'ENOSYS'"),
    "memory of System V": ("call(29, 0, 1 << 20, 0o1600)", "'ENOSYS'"),
    "messages of System V": ("call(68, 0, 0o1600)", "'ENOSYS'"),
    "pinned memory": ("call(151, 3)", "'EPERM'"),
    "open files": (
        "def open_all():\n    held = []\n    while True: held.append(open('/dev/null'))\ntried(open_all)",
        "'EMFILE'",
    ),
    "one large file": ("signal.signal(signal.SIGXFSZ, signal.SIG_IGN); tried(open('x', 'wb').write, bytes(2 << 20))", "'EFBIG'"),
    "/tmp": ("signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ndef fill():\n    for n in range(40): Path(f'/tmp/{n}').write_bytes(bytes(1 << 20))\ntried(fill)", "'ENOSPC'"),
    "limits that are raised again": (
        "from resource import *\n[tried(setrlimit, which, (1 << 40, 1 << 40)) for which in (RLIMIT_DATA, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_FSIZE)]",
        "['ValueError', 'ValueError', 'ValueError', 'ValueError']",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*BOMBS])
async def test_bombs_go_off_inside(small: Place, name: str):
    code, expected = BOMBS[name]

    assert last_line(await small.attack(code)) == expected
    assert last_line(await small.attack("1 + 1")) == "2"


@pytest.mark.parametrize(("code", "expected"), [
    ("tried(os.kill, -1, signal.SIGKILL)", {"None", "'ESRCH'"}),
    ("os.getppid()", {"0"}),  # nobody that it could name
    ("{tried(os.kill, pid, signal.SIGKILL) for pid in range(2, 5000) if not os.path.exists(f'/proc/{pid}')}", {"{'ESRCH'}"}),
    ("tried(os.kill, SERVER, signal.SIGSTOP)", {"'ESRCH'"}),
    ("tried(os.pidfd_open, SERVER)", {"'ESRCH'"}),
    ("tried(os.sched_setaffinity, SERVER, {0})", {"'ESRCH'"}),
])  # fmt: skip
async def test_signals_reach_nobody_else(place: Place, code: str, expected: set[str]):
    assert last_line(await place.attack(code.replace("SERVER", str(os.getpid())), "signals")) in expected


async def test_the_first_process_of_its_namespace_does_not_hear_it(place: Place):
    code = """
print({tried(os.kill, 1, number) for number in range(1, 65)})
time.sleep(0.05)  # in which a signal that was heard would end it
print(tried(os.pidfd_open, 1) > 2, libc.prctl(39, 0, 0, 0, 0))
print({line.split()[1] for line in open("/proc/1/status") if line.startswith(("CapEff", "CapPrm", "CapBnd"))})
"""
    told = text_of(await place.attack(code, "first")).splitlines()

    assert told == ["{None}", "True 1", "{'0000000000000000'}"]
    assert last_line(await place.attack("'again'", "first")) == "'again'"


@pytest.mark.parametrize("code", [
    "os._exit(0)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "os.killpg(0, signal.SIGKILL)",
    "ctypes.string_at(0)",
    "os.abort()",
    "ctypes.memset(ctypes.addressof(ctypes.c_char.in_dll(libc, 'environ')), 0, 1 << 30)",
    "os.close(0); os.closerange(3, 1024)",
])  # fmt: skip
async def test_a_death_is_the_kernels_own(place: Place, code: str):
    result = await place.attack(code, "dying")

    assert result.status == "dead"
    assert last_line(await place.attack("'again'", "dying")) == "'again'"


async def test_what_is_started_ends_with_the_kernel(place: Place):
    name = f"d-{os.urandom(6).hex()}"
    code = f"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
        libc.prctl(1, 0)
        libc.prctl(15, b"{name}")
        Path("alive").touch()
        while True: time.sleep(1)  # a daemon that only stays
    os._exit(0)
while not os.path.exists("alive"): time.sleep(0.005)  # polled: it tells nobody else
"""
    assert (await place.attack(code, "daemon")).status == "ok"
    daemon = process_called(name)
    assert not gone(daemon, seconds=0)
    await place.attack("os._exit(0)", "daemon")

    assert await to_thread.run_sync(gone, daemon)


TOGETHER = """
def fill(tells):
    held = b"x" * (200 << 20)
    os.write(tells, b"x")
    while True: time.sleep(9)  # keeps what it holds
for _ in range(4):
    told, tells = os.pipe()
    if os.fork() == 0: fill(tells)
    os.close(tells)
    os.read(told, 1)
"""
"""Processes that each have 200 MiB, of the 512 that their session may use."""


@pytest.mark.parametrize("level", ["namespaces", "landlock", "off"])
async def test_processes_share_one_sessions_memory(built: Environment, tmp_path: Path, level: Level):
    async with place_of(built, tmp_path, SMALL, level, execution_timeout=10) as small:
        await share_memory(small)


async def share_memory(small: Place) -> None:
    """Fill a session's memory by several processes, of which none takes too much."""
    limited = "memory" in Groups.found(Shares(1 << 28, 24)).controllers
    # Where memory is limited, the cell goes on until it is stopped for it.
    result = await small.attack(f"kept = 1{TOGETHER}\ntime.sleep(0 if {not limited} else 60)", "together")
    says = "memory ran out, of which the session may use 512 MiB" in text_of(result)

    assert (result.status, says) == (("interrupted", True) if limited else ("ok", False))
    # A process that Linux ends a moment later is told of with this cell.
    assert "1" in text_of(await small.attack("kept", "together")).splitlines()
    await small.attack("os._exit(0)", "together")


async def test_a_kernel_that_has_all_the_memory_itself_is_ended_in_words(small: Place):
    limited = "memory" in Groups.found(Shares(1 << 28, 24)).controllers
    code = "held = mmap.mmap(-1, 700 << 20)\nfor place in range(0, len(held), 4096): held[place] = 1"
    result = await small.attack(code, "alone")
    said = text_of(result)

    assert ("memory ran out, of which the session may use 512 MiB." in said) == limited
    assert ("Variables and imports are lost" in said) == limited
    await small.attack("os._exit(0)", "alone")


async def test_a_process_that_is_lost_between_cells_is_told_of(small: Place):
    limited = "memory" in Groups.found(Shares(1 << 28, 24)).controllers
    names = [f"m-{os.urandom(6).hex()}" for _ in range(2)]
    code = f"""
for name in {names}:
    if os.fork() == 0:
        libc.prctl(15, name.encode())
        Path(name).touch()
        while not os.path.exists("go"): time.sleep(0.005)  # polled: the file is the sign to go on
        held = b"x" * (300 << 20)
        while True: time.sleep(9)  # keeps what it holds
    while not os.path.exists(name): time.sleep(0.005)  # polled: the file is its sign
"""
    assert (await small.attack(code, "lost")).status == "ok"
    watched = [os.pidfd_open(process_called(name)) for name in names]
    (small.pool.data("lost") / "go").touch()
    if limited:
        assert await to_thread.run_sync(select.select, watched, [], [], 20)
    result = await small.attack("kept = 1", "lost")
    for each in watched:
        os.close(each)

    says = "A process of this session was killed: memory ran out, of which the session may use 512 MiB."
    assert (result.status, says in text_of(result)) == ("ok", limited)
    await small.attack("os._exit(0)", "lost")


async def test_no_process_of_a_closed_session_is_left(place: Place):
    marker = f"marker-{os.urandom(8).hex()}"
    # It would stay for longer than any test lasts.
    code = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{marker}'], start_new_session=True)"
    await place.attack(code, "closed")
    assert processes_with(marker)
    await place.pool.sessions.close("closed")

    assert not processes_with(marker)


@pytest.mark.parametrize("code", [
    "import re\nre.match('(a+)+b', 'a' * 40)",
    "class Clings:\n    def __del__(self):\n        while True: pass\nx = Clings(); del x",
    "while True:\n    try: time.sleep(1)\n    except BaseException: pass",  # goes on, unless it is ended
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass",
    "os.kill(os.getpid(), signal.SIGSTOP)\nsignal.sigwait({signal.SIGINT})\nwhile True: pass",
    "sys.setswitchinterval(1000)\nwhile True: pass",
])  # fmt: skip
async def test_a_cell_that_will_not_end_is_ended(brief: Place, code: str):
    result = await brief.attack(code, "endless")

    assert result.status == "timeout"
    assert last_line(await brief.attack("'again'", "endless")) == "'again'"


def processes_with(argument: str) -> list[str]:
    """The processes of this machine that were started with the argument."""
    found: list[str] = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument in each.read_bytes().decode(errors="replace").split("\0"):
                found.append(str(each))
        except OSError:
            continue  # it has just ended
    return found
