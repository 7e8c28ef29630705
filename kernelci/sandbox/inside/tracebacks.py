"""Tracebacks of cells, made fit to be shown: without the frames of these files, in good time, and in few words.

Where Python lies on this machine is nobody's business: not the model's, nor that of whoever is sent a notebook.

IPython asks of each frame twice which module it belongs to. For code that is in none, as a cell's is, `inspect`
goes through all modules to find that out: seconds, where a function has called itself a thousand times.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from types import TracebackType

from IPython.core import interactiveshell

_HERE = f"{os.path.dirname(__file__)}/"
_SHELL = interactiveshell.__file__
_NONE = ""
"""The name of no module, as `inspect` keeps names."""

_FOLDERS = tuple(
    (f"{sysconfig.get_path(kind)}/", name)
    for kind, name in (
        ("purelib", "site-packages/"),
        ("platlib", "site-packages/"),
        ("stdlib", f"python{sysconfig.get_python_version()}/"),
    )
)
_FILE = "File "
_NO_SOURCE = "'Could not get source, probably due dynamically evaluated source code.'"
_format_warning = warnings.formatwarning


def told(lines: Iterable[str]) -> list[str]:
    """The lines of a traceback with short names for files, and none in the place of source that there is not."""
    named = (_FILE + _short(line.removeprefix(_FILE)) if line.startswith(_FILE) else line for line in lines)
    return [line for line in named if not line.endswith(_NO_SOURCE)]


def warning_told(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What `warnings` shows of a warning."""
    line = linecache.getline(filename, lineno) if line is None else line
    return _format_warning(message, category, _short(filename), lineno, line)


def _short(file: str) -> str:
    for folder, name in _FOLDERS:
        if file.startswith(folder):
            return name + file.removeprefix(folder)
    return file


def fit(error: BaseException, trace: TracebackType | None) -> None:
    """Make a traceback of the error fit to be shown, with those of the errors that led to it."""
    files: set[str] = set()
    for each in (trace, *(cause.__traceback__ for cause in _causes(error))):
        _cut(each)
        files |= {_file(step) for step in _steps(each)}
    modules: dict[str, str] = inspect.modulesbyfile  # pyright: ignore[reportAttributeAccessIssue]
    for file in files:
        if not os.path.exists(file):
            for name in (file, os.path.abspath(file)):
                modules.setdefault(name, _NONE)


def _cut(trace: TracebackType | None) -> None:
    """End it where the cell has called us: by way of IPython, if it has printed something."""
    last = trace
    for step in _steps(trace):
        if last is not None and _file(step).startswith(_HERE):
            last.tb_next = None
            return
        if _file(step) != _SHELL:
            last = step


def _file(step: TracebackType) -> str:
    return step.tb_frame.f_code.co_filename


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or step.__context__
