"""Control groups: what is said to be limited for a session as a whole is limited, and nothing else is said so."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernelci.sandbox.groups import Group, Groups, Shares

MEBIBYTE = 1024 * 1024
SHARES = Shares(memory=96 * MEBIBYTE, processes=10, cpus=0.25)

FORKS = """
import os, signal
children = []
try:
    for _ in range(40):
        if (pid := os.fork()) == 0: signal.pause()
        children.append(pid)
except BlockingIOError: pass
for pid in children: os.kill(pid, signal.SIGKILL)
print(len(children))
"""

FILLS = """
import os, signal
children = []
for _ in range(3):
    told, tells = os.pipe()
    if (pid := os.fork()) == 0:
        held = b"x" * (64 << 20)
        os.write(tells, b"x"); signal.pause()
    os.close(tells)
    children.append(pid)
    os.read(told, 1)
for pid in children: os.kill(pid, signal.SIGTERM)
print(sum(os.waitpid(pid, 0)[1] == signal.SIGKILL for pid in children))
"""

SPINS = """
import time
end = time.monotonic() + 1
while time.monotonic() < end: pass
print(time.process_time())
"""


@pytest.fixture(scope="module")
def groups() -> Groups:
    """What this machine allows: which of these tests is about a limit, and which about its lack."""
    return Groups.found(SHARES)


@contextmanager
def started(groups: Groups, program: str) -> Generator[tuple[subprocess.Popen[bytes], Group]]:
    """A program in a group of its own, in which it begins."""
    group = groups.group(secrets.token_hex(4))  # the last test's may still be ending, and then it is there
    gate = "import sys; sys.stdin.buffer.read(1)"
    process = subprocess.Popen(
        [sys.executable, "-c", gate + program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        group.put(process.pid)
        yield process, group
    finally:
        process.kill()
        process.communicate()
        group.end()


def printed(process: subprocess.Popen[bytes]) -> float:
    """Let it begin, and wait for the number that it ends with."""
    return float(process.communicate(b".", timeout=60)[0])


def test_processes_are_counted_together(groups: Groups):
    with started(groups, FORKS) as (process, _):
        assert (printed(process) < SHARES.processes) == ("pids" in groups.controllers)


def test_memory_is_counted_together(groups: Groups):
    with started(groups, FILLS) as (process, group):
        died = printed(process)

        assert (died > 0) == ("memory" in groups.controllers)
        assert group.killed == died


def test_processors_are_shared_out(groups: Groups):
    with started(groups, SPINS) as (process, _):
        assert (printed(process) < 0.6) or "cpu" not in groups.controllers


def test_a_group_goes_with_its_processes(groups: Groups):
    with started(groups, "") as (process, group):
        folders = set(group.folders.values())
        assert all(str(process.pid) in (folder / "cgroup.procs").read_text().split() for folder in folders)
        printed_nothing = process.communicate(b".")
        group.end()

        assert printed_nothing == (b"", None)
        assert not any(folder.exists() for folder in folders)


def test_a_process_that_has_ended_cannot_be_put_in(groups: Groups):
    gone = subprocess.Popen(["true"])
    gone.wait()
    group = groups.group("late")
    if groups.controllers:
        with pytest.raises(ProcessLookupError):
            group.put(gone.pid)

    assert not any(folder.exists() for folder in group.folders.values())


LEAVES = """
import os, subprocess, sys
from kernelci.sandbox.groups import Group, Groups, Shares
group = Groups.found(Shares(1 << 28, 10)).group("left")
child = subprocess.Popen(["true"], preexec_fn=lambda: group.put(os.getpid()))
child.wait()
print(*map(str, group.folders.values()), sep="\\n", flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_host_leaves_goes_at_the_next_start(groups: Groups):
    told = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, check=False)
    left = [Path(line) for line in told.stdout.split()]
    assert told.returncode == -9
    assert bool(left) == bool(groups.controllers)
    assert all(folder.exists() for folder in left)
    with started(groups, "") as (_, group):
        Groups.found(SHARES)

        assert not any(folder.exists() for folder in left)
        assert all(folder.exists() for folder in group.folders.values())  # we are alive
