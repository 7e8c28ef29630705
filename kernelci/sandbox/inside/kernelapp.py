"""The kernel itself: ipykernel's application, set up for code that a model writes.

Imported by its neighbours in this folder, in the environment of the model's code; nothing of kernelci.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from bounds import BoundedSession, CellStream
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config


class KernelApp(IPKernelApp):
    """The application with our session in it."""

    def _session_default(self) -> BoundedSession:
        return BoundedSession(parent=self)


def kernel_app(connection_file: str, *, stands_for_data: str | None) -> IPKernelApp:
    """A kernel that listens already and only waits to be started.

    Where /mnt/data could not be made, `stands_for_data` is the folder that code means by it.
    """
    config = Config()
    config.IPKernelApp.connection_file = connection_file
    config.IPKernelApp.outstream_class = f"{CellStream.__module__}.{CellStream.__name__}"
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    config.InteractiveShell.colors = "nocolor"
    config.HistoryManager.enabled = False
    app = KernelApp.instance(config=config)
    app.initialize([])  # pyright: ignore[reportUnknownMemberType]
    os.environ["TERM"] = "dumb"
    for name in ("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):  # ipykernel's, for a reader who sees colours
        os.environ.pop(name, None)
    keep_threads_in_their_cells()
    if stands_for_data is not None and app.shell is not None:
        app.shell.ast_transformers.append(DataFolder(stands_for_data))
    return app


def keep_threads_in_their_cells() -> None:
    """Have what a thread prints belong to the cell that gave it its work, not to whichever runs at that time."""
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


class DataFolder(ast.NodeTransformer):
    """Makes the strings of a cell that begin a path with /mnt/data mean another folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Replace the folder in text and bytes; leave other constants alone."""
        if isinstance(node.value, str):
            value: str | bytes = re.sub(r"/mnt/data(?![\w.-])", lambda _: self._folder, node.value)
        elif isinstance(node.value, bytes):
            value = re.sub(rb"/mnt/data(?![\w.-])", lambda _: self._folder.encode(), node.value)
        else:
            return node
        return ast.copy_location(ast.Constant(value, kind=node.kind), node)
