"""The first thing a kernel's process runs: `python -I launch.py CONNECTION_FILE FOLDER REPORT LIFELINE`.

FOLDER is the session's; it becomes /mnt/data. REPORT is a descriptor that is told, as JSON, what came of the
start. LIFELINE is the read end of a pipe which only the host can write to: when the host is gone, however it
went, the kernel goes with it. This is no confinement: the code can do what the person who started it can do.

Run by path in the environment of the model's code: the standard library only, nothing of kernelci.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path

DATA = Path("/mnt/data")

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18


def main() -> None:
    """Make the kernel's surroundings, then become the kernel."""
    connection_file, folder, report, lifeline = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    os.set_inheritable(report, False)
    die_with_host(lifeline)
    bound = can_bind(folder)
    if bound:
        bind(folder)
    os.chdir(DATA if bound else folder)
    sys.argv[:] = [""]
    sys.modules["debugpy"] = None  # pyright: ignore[reportArgumentType]  # unused, and a part of every start
    try:
        sys.path.insert(0, str(Path(__file__).parent))
        import kernelapp  # noqa: PLC0415

        del sys.path[0]
        app = kernelapp.kernel_app(connection_file, stands_for_data=None if bound else folder)
    except BaseException:
        tell(report, {"error": traceback.format_exc()})
        raise
    tell(report, {"folder": str(Path.cwd())})
    app.start()


def tell(report: int, what: dict[str, str]) -> None:
    """Write the one report, and close it."""
    with os.fdopen(report, "w") as stream:
        json.dump(what, stream)


def die_with_host(lifeline: int) -> None:
    """Have the operating system kill this process group when the host's end of the pipe closes.

    PR_SET_PDEATHSIG would not do: it tells of the death of the thread that started us, not of its process.
    """
    os.set_inheritable(lifeline, False)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    watch = select.poll()
    watch.register(lifeline, 0)
    if watch.poll(0):
        sys.exit("the host has gone already")


def can_bind(folder: str) -> bool:
    """Whether `bind` works here; tried in a child, since a half-made namespace cannot be left again."""
    child = os.fork()
    if child == 0:
        try:
            bind(folder)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def bind(folder: str) -> None:
    """Show the folder as /mnt/data, in a mount namespace of our own.

    Raises:
        OSError: the machine does not allow it.
    """
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    source = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not DATA.is_dir():
        make_room(DATA.parent)
    _mount(f"/proc/self/fd/{source}", DATA, "", MS_BIND)
    os.close(source)


def make_room(parent: Path) -> None:
    """Put a copy of the folder in its place, made of what was in it and an empty folder `data`."""
    old = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    _mount("tmpfs", parent, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for entry in os.scandir(old):
        place = parent / entry.name
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry.name, dir_fd=old))
        elif entry.is_dir():
            place.mkdir()
            _mount(f"/proc/self/fd/{old}/{entry.name}", place, "", MS_BIND | MS_REC)
    os.close(old)
    DATA.mkdir()


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), os.fsencode(target), kind.encode(), flags, options.encode())


def _call(name: str, *arguments: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    if getattr(libc, name)(*passed) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
