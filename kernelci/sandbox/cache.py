"""The environments in the cache folder: which there are, who needs them, and how those go that nobody needs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelci.errors import EnvironmentUnavailable
from kernelci.sandbox import kernelspec
from kernelci.sandbox.environment import ASIDE, Environment, Progress, clear, locked, name_of, of_kernelspec

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Cached:
    """An environment in the cache folder: of which kernelspecs and Python it is, as far as that is known.

    `kernels` are the installed kernelspecs whose environment it is; `wanted` is also one that the kernelspec of
    another installation gives on its own Python. `size` is in bytes on disk.
    """

    environment: Environment
    kernels: tuple[str, ...]
    python: str | None
    wanted: bool
    in_use: bool
    size: int


def cached(cache_dir: Path) -> list[Cached]:
    """The environments that are there, in the order of their names; blocks while their sizes are counted."""
    current = _current(cache_dir)
    return [_described(folder, current) for folder in _folders(cache_dir / "environments")]


def prune(cache_dir: Path, progress: Progress) -> list[Cached]:
    """Remove the environments that no kernelspec gives any more and that nobody uses; gives those it has removed.

    Raises:
        OSError: the folder cannot be written to.
    """
    environments = cache_dir / "environments"
    removed: list[Cached] = []
    with locked(environments, progress):
        clear(environments)
        for each in cached(cache_dir):
            if each.wanted:
                continue
            with _unused(each.environment) as unused:
                if unused:
                    _remove(each.environment)
                    removed.append(each)
        for about in environments.glob("*.json"):
            _forget(Environment(about.with_suffix(""), about))
    return removed


def _described(folder: Path, current: dict[Path, list[str]]) -> Cached:
    environment = Environment(folder, folder / kernelspec.LOCK)
    kernels = tuple(current.get(folder, ()))
    about = _read(environment.about)
    with _unused(environment) as unused:
        in_use = not unused
    return Cached(
        environment=environment,
        kernels=kernels,
        python=" ".join(about["python"][:2]) if about else None,
        wanted=bool(kernels) or (environment.ready and _given_elsewhere(folder.name, about)),
        in_use=in_use,
        size=_size(folder),
    )


def _current(cache_dir: Path) -> dict[Path, list[str]]:
    """The folders of the environments that the installed kernelspecs have on this Python."""
    found: dict[Path, list[str]] = {}
    for name, folder in kernelspec.installed().items():
        with suppress(EnvironmentUnavailable):  # one that has not been locked yet
            found.setdefault(of_kernelspec(folder, cache_dir).folder, []).append(name)
    return found


def _given_elsewhere(name: str, about: dict[str, Any]) -> bool:
    """Whether the kernelspec that it was built of still gives it on the Python that it was built for."""
    try:
        return name_of(Path(about["kernelspec"], kernelspec.LOCK).read_bytes(), about["python"]) == name
    except (KeyError, OSError):
        return False


def _read(about: Path) -> dict[str, Any]:
    try:
        return json.loads(about.read_text())
    except (OSError, ValueError):  # it was never built to its end
        return {}


@contextmanager
def _unused(environment: Environment) -> Generator[bool]:
    """Whether nobody uses it; while the block lasts, nobody begins to."""
    try:
        about = environment.about.open()
    except FileNotFoundError:
        yield True
        return
    with about:
        try:
            fcntl.flock(about, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(environment: Environment) -> None:
    """Move it aside at once, so that nobody finds half of it, then remove it."""
    aside = tempfile.mkdtemp(prefix=ASIDE, dir=environment.folder.parent)
    environment.folder.rename(Path(aside, environment.folder.name))
    environment.about.unlink(missing_ok=True)
    shutil.rmtree(aside)


def _forget(environment: Environment) -> None:
    """Remove what tells of an environment that is not there."""
    with _unused(environment) as unused:
        if unused and not environment.folder.exists():
            environment.about.unlink(missing_ok=True)


def _folders(environments: Path) -> list[Path]:
    try:
        return sorted(path for path in environments.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _size(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(place, name)).st_blocks * _BLOCK  # noqa: PTH118  tens of thousands of files
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )
