"""The root that confined code sees: a read-only Python and its libraries, and nothing else of the machine.

Built once by a zygote, or by a kernel that starts alone, in namespaces of its own and before it imports anything
of the environment. Each kernel then adds its own /mnt/data, /tmp, /dev/shm and /proc (confine.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import linux

SESSIONS = "/s"
"""Where the sessions' folders stand for the zygote; each kernel has it hidden."""

CODE = "/k"
"""Where the files beside this one stand."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "mime.types", "timezone")
"""What is shown of the machine's own: folders, and files of /etc."""

_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_WRITTEN = {
    "passwd": "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n",
    "group": "root:x:0:\nuser:x:1000:\n",
    "hosts": "127.0.0.1 localhost kernelci\n::1 localhost kernelci\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_PRIVATE = linux.MS_NOSUID | linux.MS_NODEV


def build(shown: list[str], writable: dict[str, str]) -> None:
    """Make the root and enter it. `shown` are folders to be seen, read-only, where they are.

    `writable` are places below SESSIONS, and the folders that are to be seen there.

    Needs a mount namespace of our own in which we may mount. Afterwards the machine's files are out of reach.

    Raises:
        OSError: a mount is not allowed.
    """
    root = "/tmp"
    places = {path: path for path in shown} | {CODE: str(Path(__file__).parent)} | writable
    kept = {place: os.open(path, os.O_PATH | os.O_DIRECTORY) for place, path in places.items()}
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("kernelci", root, "tmpfs", _PRIVATE, "mode=755,size=4m")
    for path in SYSTEM:
        _show(path, root + path)
    for name in ETC:
        _show(f"/etc/{name}", f"{root}/etc/{name}")
    for name, text in _WRITTEN.items():
        Path(f"{root}/etc/{name}").write_text(text)
    for place, descriptor in kept.items():
        _bind(f"/proc/self/fd/{descriptor}", root + place, read_only=place not in writable)
        os.close(descriptor)
    _devices(f"{root}/dev")
    for place in ("/proc", "/tmp", "/mnt/data", SESSIONS, "/old"):
        Path(root + place).mkdir(parents=True, exist_ok=True)
    # The kernels' own /proc is only granted to those who see a whole one already.
    linux.mount("proc", f"{root}/proc", "proc", _PRIVATE | linux.MS_NOEXEC)
    linux.mount("tmp", f"{root}/tmp", "tmpfs", _PRIVATE, "mode=1777,size=64m")
    os.chdir(root)
    linux.pivot_root(".", "old")
    linux.unmount("/old")
    Path("/old").rmdir()
    linux.mount(None, "/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _PRIVATE)
    os.chdir("/")


def _show(source: str, target: str) -> None:
    """Show a file or folder of the system as it is: a link as a link, what is missing not at all."""
    if Path(source).is_symlink():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).symlink_to(Path(source).readlink())
    elif Path(source).exists():
        _bind(source, target, read_only=True)


def _bind(source: str, target: str, *, read_only: bool) -> None:
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    linux.mount(source, target, None, linux.MS_BIND | linux.MS_REC)
    if read_only:
        linux.make_read_only(target)


def _devices(folder: str) -> None:
    Path(folder, "shm").mkdir(parents=True)
    for name in _DEVICES:
        Path(folder, name).touch()
        linux.mount(f"/dev/{name}", f"{folder}/{name}", None, linux.MS_BIND)
    for name, target in _LINKS.items():
        Path(folder, name).symlink_to(target)
