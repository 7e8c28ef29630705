"""Tracebacks of cells, made fit to be shown: without the frames of these files, and in good time.

IPython asks of each frame twice which module it belongs to. For code that is in none, as a cell's is, `inspect`
goes through all modules to find that out: seconds, where a function has called itself a thousand times.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from types import TracebackType

_HERE = f"{os.path.dirname(__file__)}/"
_NONE = ""
"""The name of no module, as `inspect` keeps names."""


def fit(error: BaseException, trace: TracebackType | None) -> None:
    """Make a traceback of the error fit to be shown, with those of the errors that led to it."""
    files: set[str] = set()
    for each in (trace, *(cause.__traceback__ for cause in _causes(error))):
        for step in _steps(each):
            if step.tb_next is not None and step.tb_next.tb_frame.f_code.co_filename.startswith(_HERE):
                step.tb_next = None
            files.add(step.tb_frame.f_code.co_filename)
    modules: dict[str, str] = inspect.modulesbyfile  # pyright: ignore[reportAttributeAccessIssue]
    for file in files:
        if not os.path.exists(file):
            for name in (file, os.path.abspath(file)):
                modules.setdefault(name, _NONE)


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
