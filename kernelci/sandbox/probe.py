"""What this machine lets kernelci confine, tried for real; and where it does not, why not and what helps.

The trying itself is inside/probe.py.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelci.errors import SandboxUnavailable
from kernelci.sandbox.owner import owner
from kernelci.sandbox.zygote import Limits

PROGRAM = Path(__file__).parent / "inside" / "probe.py"

_TIMEOUT = 60.0
_TITLES = {
    "users": "a user without rights",
    "files": "files of its own, and none of yours",
    "processes": "processes of its own, and none of yours",
    "network": "no network",
    "calls": "a filter for system calls",
    "limits": "limits of memory, processes and files",
    "together": "all of it at once, as a kernel has it",
}

_SETTINGS = {
    "user.max_user_namespaces": ("0", "15000"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""Settings of Linux: the value that forbids namespaces, and one that allows them."""

_CONTAINER = " ".join(f"--security-opt {each}=unconfined" for each in ("seccomp", "apparmor", "systempaths"))


@dataclass(frozen=True, slots=True)
class Protection:
    """One of the things that confine a kernel: whether it holds here; else the cause and a command that helps."""

    title: str
    cause: str | None = None
    remedy: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it can be had on this machine."""
        return self.cause is None


def protections() -> list[Protection]:
    """Try each protection on this machine; blocks for a tenth of a second or so."""
    if sys.platform != "linux":
        return [Protection(title, "only Linux has it", "run kernelci on Linux") for title in _TITLES.values()]
    errors = _tried()
    if not any(errors.values()):
        return [Protection(title) for title in _TITLES.values()]
    forbidden, remedy = _remedy()
    return [
        Protection(title, forbidden or error, remedy) if (error := errors[name]) else Protection(title)
        for name, title in _TITLES.items()
    ]


def require() -> None:
    """Return if kernels can be confined here.

    Raises:
        SandboxUnavailable: they cannot, why, and what helps.
    """
    for protection in protections():
        if not protection.holds:
            raise SandboxUnavailable(
                "The model's code cannot be confined on this machine, so it will not be run: "
                f"{protection.cause} ({protection.title}). What helps: {protection.remedy}"
            )


def _tried() -> dict[str, str | None]:
    with (
        tempfile.TemporaryDirectory(prefix="kernelci-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        data = Path(folder, "data")
        data.mkdir()
        data.chmod(0o777)  # the folder around it is private; who is tried may be another user
        told = {
            "shown": [sys.base_prefix],
            "folder": str(data),
            "uid": owner(),
            "limits": asdict(Limits()),
            "port": server.getsockname()[1],
            "file": str(data),
        }
        ran = subprocess.run(
            [sys.executable, "-I", PROGRAM],
            input=json.dumps(told),
            env={"LANG": "C.UTF-8"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    said = ran.stderr.strip().splitlines()
    answers = {each["check"]: each["error"] for each in map(json.loads, ran.stdout.splitlines())}
    return {name: answers.get(name, said[-1] if said else "it could not be tried") for name in _TITLES}


def _remedy() -> tuple[str | None, str]:
    """What forbids it on this machine, if that is known, and the one command that most likely helps."""
    for setting, (forbidding, allowing) in _SETTINGS.items():
        try:
            value = Path("/proc/sys", *setting.split(".")).read_text().strip()
        except OSError:
            continue  # this Linux does not have it
        if value == forbidding:
            return f"{setting} is {value}", f"sudo sysctl {setting}={allowing}"
    if any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")):
        return None, f"start the container with {_CONTAINER}"
    return None, "run it on Linux 5.12 or newer, outside of any sandbox that forbids user namespaces"
