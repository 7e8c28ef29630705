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
from typing import Literal

from kernelci.errors import SandboxUnavailable
from kernelci.sandbox import leftovers
from kernelci.sandbox.level import Level, Wanted
from kernelci.sandbox.owner import owner
from kernelci.sandbox.zygote import Limits

PROGRAM = Path(__file__).parent / "inside" / "probe.py"

Confined = Literal["namespaces", "landlock"]
LADDER: tuple[Confined, ...] = ("namespaces", "landlock")
"""How kernels can be confined, the strongest first."""

_TIMEOUT = 60.0
_TITLES: dict[Confined, dict[str, str]] = {
    "namespaces": {
        "users": "a user without rights",
        "files": "files of its own, and none of yours",
        "processes": "processes of its own, and none of yours",
        "network": "no network",
        "calls": "a filter for system calls",
        "limits": "limits of memory, processes and files",
        "together": "all of it at once, as a kernel has it",
    },
    "landlock": {
        "domain": "no opening of your files, no signals to your processes",
        "calls": "a stricter filter for system calls, without any network",
        "limits": "limits of memory, processes and files",
        "together": "all of it at once, as a kernel has it",
    },
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


def protections(level: Confined = "namespaces") -> list[Protection]:
    """Try each protection of a level on this machine; blocks for a tenth of a second or so."""
    titles = _TITLES[level]
    if sys.platform != "linux":
        return [Protection(title, "only Linux has it", "run kernelci on Linux") for title in titles.values()]
    errors = _tried(level)
    if not any(errors.values()):
        return [Protection(title) for title in titles.values()]
    forbidden, remedy = (
        _remedy() if level == "namespaces" else (None, "run it on Linux 6.12 or newer, with Landlock")
    )
    return [
        Protection(title, forbidden or error, remedy) if (error := errors[name]) else Protection(title)
        for name, title in titles.items()
    ]


def choose(wanted: Wanted) -> Level:
    """How kernels are confined here: as is wanted; where that is `auto`, as strongly as it can be had.

    Raises:
        SandboxUnavailable: that cannot be had, why, and what helps.
    """
    if wanted == "off":
        return wanted
    missing: list[Protection] = []
    for level in LADDER if wanted == "auto" else (wanted,):
        lost = [protection for protection in protections(level) if not protection.holds]
        if not lost:
            return level
        missing += lost
    first = missing[0]
    raise SandboxUnavailable(
        "The model's code cannot be confined on this machine, so it will not be run: "
        f"{first.cause} ({first.title}). What helps: {first.remedy}"
    )


def _tried(level: Confined) -> dict[str, str | None]:
    with (
        tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        ran = subprocess.run(
            [sys.executable, "-I", PROGRAM],
            input=json.dumps(_told(level, Path(folder), server.getsockname()[1])),
            env={"LANG": "C.UTF-8"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    said = ran.stderr.strip().splitlines()
    answers = {each["check"]: each["error"] for each in map(json.loads, ran.stdout.splitlines())}
    return {name: answers.get(name, said[-1] if said else "it could not be tried") for name in _TITLES[level]}


def _told(level: Confined, folder: Path, port: int) -> dict[str, object]:
    """What the trying has to know, once there are the folders of a session, and a file that is not its own."""
    secret, session = folder / "secret", folder / "alone"
    secret.write_text("out of reach")
    for place in (folder, session):
        place.mkdir(exist_ok=True)
        place.chmod(0o711)
    for place in (session / "data", session / "tmp"):
        place.mkdir()
        place.chmod(0o777)  # who is tried may be another user
    secret.chmod(0o666)
    return {
        "sandbox": level,
        "shown": [sys.base_prefix],
        "sessions": str(folder),
        "temporary": str(session / "tmp"),
        "folder": str(session / "data"),
        "uid": owner(level),
        "limits": asdict(Limits()),
        "port": port,
        "file": str(secret),
    }


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
