"""The Python environment of the model's code: where it is, how it is built, how its lock is made.

It is not the server's environment. Each kernelspec pins its own in `requirements.lock`; what that gives on this
Python is built once into the cache folder and shared by all servers and data folders of a person.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uv
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from kernelci.errors import EnvironmentUnavailable

logger = logging.getLogger(__name__)

KERNEL = "kernelci"
"""The name of the kernelspec."""

Progress = Callable[[str], None]
"""Told what is being done, in words for a person who waits; called in the thread that builds."""

_DATED = "# exclude-newer:"
_TOLD_LINES = 15


def ignore(_phase: str) -> None:
    """The progress of one who does not wait."""


def kernelspec_folder(kernel: str = KERNEL) -> Path:
    """The folder of an installed kernelspec.

    Raises:
        EnvironmentUnavailable: Jupyter does not find the kernelspec.
    """
    try:
        found = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        raise EnvironmentUnavailable(
            f"The kernelspec {kernel!r} is not installed where Jupyter looks for kernels. Reinstall kernelci."
        ) from None
    return Path(found.resource_dir)


def environment(cache_dir: Path, kernel: str = KERNEL) -> Environment:
    """The environment that a kernelspec's lock gives on this Python; it may have to be built yet.

    Raises:
        EnvironmentUnavailable: the kernelspec or its lock is missing.
    """
    lock = kernelspec_folder(kernel) / "requirements.lock"
    try:
        pins = lock.read_bytes()
    except OSError as error:
        raise EnvironmentUnavailable(f"{lock} cannot be read ({error.strerror}). Reinstall kernelci.") from error
    python = (
        platform.python_implementation(),
        platform.python_version(),
        sysconfig.get_platform(),
        sys.base_prefix,
    )
    digest = hashlib.sha256(pins + "\n".join(python).encode())
    return Environment(folder=cache_dir / "environments" / digest.hexdigest()[:16], lock=lock)


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment in its folder, whole or not there at all."""

    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def matplotlib(self) -> Path:
        """The folder of matplotlib's font cache."""
        return self.folder / "matplotlib"

    @property
    def ready(self) -> bool:
        """Whether it has been built, and the interpreter under it is still there."""
        return self.python.exists()

    def prepare(self, progress: Progress = ignore) -> None:
        """Build the environment unless that was done; blocks, a minute or so the first time.

        Several processes may ask at once: one builds, the others wait for it.

        Raises:
            EnvironmentUnavailable: it cannot be built, and why.
        """
        if self.ready:
            return
        try:
            with _locked(self.folder.parent, progress):
                if not self.ready:
                    self._build(progress)
        except OSError as error:
            raise EnvironmentUnavailable(
                f"The environment of the model's code cannot be written to {self.folder.parent}: {error.strerror}. "
                "Choose another place with KERNELCI_CACHE_DIR."
            ) from error

    def _build(self, progress: Progress) -> None:
        """Build in a sibling folder and rename, so that a half-built environment is never found."""
        for leftover in self.folder.parent.glob(".building-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folder.parent))
        try:
            progress("Creating the Python environment of the model's code; this happens once and takes a minute")
            half = Environment(building, self.lock)
            half._install(progress)
            building.chmod(0o755)  # kernels do not run as root, even where the host does
            if self.folder.exists():
                self.folder.rename(building / "outdated")
            building.rename(self.folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(self.folder / "outdated", ignore_errors=True)
        logger.info("environment built in %s", self.folder, extra={"action": "environment_built"})

    def _install(self, progress: Progress) -> None:
        _uv(
            *("venv", "--no-project", "--no-python-downloads", "--relocatable", "--allow-existing"),
            *("--python", sys.executable, str(self.folder)),
            within=self.folder,
        )
        pins = self.lock.read_text()
        progress(f"Installing {pins.count('==')} packages, pinned and checked")
        # Copies: with hard links, code in a kernel could change the packages of uv's cache, and so of others.
        _uv(
            *("pip", "install", "--require-hashes", "--no-deps", "--link-mode", "copy", "--compile-bytecode"),
            *("--python", str(self.python), "-r", str(self.lock)),
            within=self.folder,
        )
        if "matplotlib==" not in pins:
            return
        progress("Looking for fonts")
        self.matplotlib.mkdir(exist_ok=True)
        _run(
            *(str(self.python), "-I", "-c", "import matplotlib.font_manager"),
            within=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "MPLCONFIGDIR": str(self.matplotlib)},
        )


def lock(folder: Path) -> None:
    """Pin what a kernelspec folder's `requirements.in` asks for into its `requirements.lock`.

    The pins hold for every platform and Python from 3.11 on; nothing newer than the date in the
    `# exclude-newer:` line of requirements.in is taken. Pins that still fit are kept.

    Raises:
        EnvironmentUnavailable: there is no such file or date, or no set of versions fits.
    """
    source = folder / "requirements.in"
    try:
        lines = source.read_text().splitlines()
    except OSError as error:
        raise EnvironmentUnavailable(f"{source} cannot be read: {error.strerror}.") from error
    date = next((line.removeprefix(_DATED).strip() for line in lines if line.startswith(_DATED)), None)
    if date is None:
        raise EnvironmentUnavailable(f"{source} needs a line such as: {_DATED} 2026-11-21T00:00:00Z")
    _uv(
        *(
            "pip",
            "compile",
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--exclude-newer",
            date,
        ),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"),
        *(source.name, "--output-file", "requirements.lock"),
        within=folder,
    )


@contextmanager
def _locked(folder: Path, progress: Progress) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another kernelci that is building the environment")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str, within: Path) -> None:
    _run(uv.find_uv_bin(), *arguments, within=within)


def _run(*command: str, within: Path, env: dict[str, str] | None = None) -> None:
    ran = subprocess.run(command, cwd=within, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ran.returncode == 0:
        return
    said = ran.stderr.decode(errors="replace").strip().splitlines()[-_TOLD_LINES:]
    lines = "\n".join(f"  {line}" for line in said)
    raise EnvironmentUnavailable(
        f"The environment of the model's code could not be built: {Path(command[0]).name} failed.\n{lines}\n"
        "The first start downloads packages: check the network connection, and HTTPS_PROXY and UV_DEFAULT_INDEX "
        "where those are needed, and start again. What was downloaded is kept."
    )
