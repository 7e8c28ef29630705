"""Tracebacks of cells, made fit to be shown: without the frames of these files, and in good time.

IPython asks of each frame twice which module it belongs to. For code that is in none, as a cell's is, `inspect`
goes through all modules to find that out: seconds, where a function has called itself a thousand times.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from types import TracebackType

from IPython.core import interactiveshell

_HERE = f"{os.path.dirname(__file__)}/"
_SHELL = interactiveshell.__file__
_NONE = ""
"""The name of no module, as `inspect` keeps names."""


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
