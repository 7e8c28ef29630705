"""The Python environment of the model's code: where it is, how it is built, how it is kept while it is used.

It is not the server's environment. Each kernelspec pins its own in `requirements.lock`; what that gives on this
Python is built once into the cache folder and shared by all servers and data folders of a person. Beside its folder
lies a file that says what it was built of, on which everybody who uses it holds a shared lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kernelci.errors import EnvironmentUnavailable
from kernelci.sandbox import kernelspec
from kernelci.sandbox.packages import run, run_uv

logger = logging.getLogger(__name__)

PYTHON = (
    platform.python_implementation(),
    platform.python_version(),
    sysconfig.get_platform(),
    sys.base_prefix,
)
"""The Python that environments are built on: the one that runs us."""

ASIDE = ".aside-"
"""How the names of folders begin that are half built or half removed."""

Progress = Callable[[str], None]
"""Told what is being done, in words for a person who waits; called in the thread that builds."""


def ignore(_phase: str) -> None:
    """The progress of one who does not wait."""


def environment(cache_dir: Path, kernel: str = kernelspec.KERNEL) -> Environment:
    """The environment of an installed kernelspec on this Python; it may have to be built yet.

    Raises:
        EnvironmentUnavailable: the kernelspec or its lock is missing.
    """
    return of_kernelspec(kernelspec.folder_of(kernel), cache_dir)


def of_kernelspec(folder: Path, cache_dir: Path) -> Environment:
    """The environment that the lock of a kernelspec's folder gives on this Python; it may have to be built yet.

    Raises:
        EnvironmentUnavailable: there is no lock.
    """
    lock = folder / kernelspec.LOCK
    try:
        name = name_of(lock.read_bytes(), PYTHON)
    except OSError as error:
        raise EnvironmentUnavailable(
            f"{lock} cannot be read ({error.strerror}). Make it with: kernelci kernels lock {folder}"
        ) from error
    return Environment(folder=cache_dir / "environments" / name, lock=lock)


def name_of(pins: bytes, python: Sequence[str]) -> str:
    """What the folder of an environment is called: the same pins on the same Python are the same environment."""
    return hashlib.sha256(pins + "\n".join(python).encode()).hexdigest()[:16]


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

    @property
    def shown(self) -> list[str]:
        """The folders that its kernels have to see, where they are.

        Raises:
            EnvironmentUnavailable: they cannot be seen there.
        """
        folders = list(dict.fromkeys([str(self.folder.absolute()), sys.base_prefix]))
        for folder in folders:
            if Path(folder).resolve().is_relative_to("/tmp"):  # noqa: S108
                raise EnvironmentUnavailable(
                    f"Kernels have a /tmp of their own, and so cannot see {folder}. For the environment, choose "
                    "another place with KERNELCI_CACHE_DIR; for Python, another installation."
                )
        return folders

    @property
    def about(self) -> Path:
        """The file beside it: of which kernelspec and Python it was built. Its users hold a lock on it."""
        return self.folder.with_name(f"{self.folder.name}.json")

    def hold(self, progress: Progress = ignore) -> IO[str]:
        """Have it built, and kept from being pruned until what this gives is closed; blocks as `prepare` does.

        Raises:
            EnvironmentUnavailable: it cannot be built, and why.
        """
        held = self._held()
        try:
            self.prepare(progress)
        except BaseException:
            held.close()
            raise
        return held

    def prepare(self, progress: Progress = ignore) -> None:
        """Build the environment unless that was done; blocks, a minute or so the first time.

        Several processes may ask at once: one builds, the others wait for it.

        Raises:
            EnvironmentUnavailable: it cannot be built, and why.
        """
        if self.ready:
            return
        with self._writing(), locked(self.folder.parent, progress):
            if not self.ready:
                self._build(progress)

    def _held(self) -> IO[str]:
        with self._writing():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            while True:
                if not self.about.exists():
                    try:
                        self.about.touch()
                    except PermissionError:
                        if not self.ready:
                            raise
                        return (self.folder / "pyvenv.cfg").open()  # somebody else's, and theirs to prune
                with suppress(FileNotFoundError):  # pruned just now
                    held = self.about.open()
                    fcntl.flock(held, fcntl.LOCK_SH)
                    if os.fstat(held.fileno()).st_nlink:
                        return held
                    held.close()

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise EnvironmentUnavailable(
                f"The environment of the model's code cannot be written to {self.folder.parent}: {error.strerror}. "
                "Choose another place with KERNELCI_CACHE_DIR."
            ) from error

    def _build(self, progress: Progress) -> None:
        """Build in a sibling folder and rename, so that a half-built environment is never found."""
        clear(self.folder.parent)
        building = Path(tempfile.mkdtemp(prefix=ASIDE, dir=self.folder.parent))
        try:
            pins = self.lock.read_bytes()
            if name_of(pins, PYTHON) != self.folder.name:
                raise EnvironmentUnavailable(f"{self.lock} has been changed in the meantime. Try again.")
            (building / kernelspec.LOCK).write_bytes(pins)
            progress("Creating the Python environment of the model's code; this happens once and takes a minute")
            Environment(building, building / kernelspec.LOCK)._install(progress)
            building.chmod(0o755)  # kernels do not run as root, even where the host does
            if self.folder.exists():
                self.folder.rename(building / "outdated")
            building.rename(self.folder)
            self.about.write_text(json.dumps({"kernelspec": str(self.lock.parent), "python": PYTHON}) + "\n")
        finally:
            shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(self.folder / "outdated", ignore_errors=True)
        logger.info("environment built in %s", self.folder, extra={"action": "environment_built"})

    def _install(self, progress: Progress) -> None:
        run_uv(
            *("venv", "--no-project", "--no-python-downloads", "--relocatable", "--allow-existing"),
            *("--python", sys.executable, str(self.folder)),
            within=self.folder,
        )
        pins = self.lock.read_text()
        progress(f"Installing {pins.count('==')} packages, pinned and checked")
        # Copies: with hard links, code in a kernel could change the packages of uv's cache, and so of others.
        run_uv(
            *("pip", "install", "--require-hashes", "--no-deps", "--link-mode", "copy", "--compile-bytecode"),
            *("--python", str(self.python), "-r", str(self.lock)),
            within=self.folder,
        )
        if "matplotlib==" not in pins:
            return
        progress("Looking for fonts")
        self.matplotlib.mkdir(exist_ok=True)
        run(
            *(str(self.python), "-I", "-c", "import matplotlib.font_manager"),
            within=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "MPLCONFIGDIR": str(self.matplotlib)},
        )


def clear(environments: Path) -> None:
    """Remove what a crash has left half built or half removed. For who has `locked` the folder."""
    for leftover in environments.glob(f"{ASIDE}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def locked(environments: Path, progress: Progress) -> Generator[None]:
    """Be the only one who builds or removes environments in a folder, while the block lasts; waits for others."""
    environments.mkdir(parents=True, exist_ok=True)
    with (environments / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another kernelci that is building the environment")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
