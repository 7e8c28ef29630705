"""Which cell the running code belongs to: the main thread's is the current one, another thread's the one that gave
it its work.

Imported by its neighbours in this folder, in the environment of the model's code; nothing of kernelci.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

_GIVEN_BY: ContextVar[str | None] = ContextVar("cell", default=None)


def begin(cell: str) -> None:
    """Called in the main thread: what is started from here on works for this cell."""
    _GIVEN_BY.set(cell)


def works_for(cell: str | None) -> bool:
    """Whether this thread's work was given by the cell; that of a library's own threads by any."""
    return threading.current_thread() is threading.main_thread() or _GIVEN_BY.get() in (None, cell)


def keep_threads_in_their_cells() -> None:
    """Have threads, and pools of them, run in the context of the cell that gave them their work."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def start_in_context(self: threading.Thread) -> None:
        self.run = functools.partial(copy_context().run, self.run)
        start(self)

    def submit_in_context(
        self: ThreadPoolExecutor, work: Callable[..., Any], /, *args: object, **kwargs: object
    ) -> Future[Any]:
        return submit(self, copy_context().run, work, *args, **kwargs)

    threading.Thread.start = start_in_context
    ThreadPoolExecutor.submit = submit_in_context
