"""The kernel itself: ipykernel's application, set up for code that a model writes.

Imported by its neighbours in this folder, in the environment of the model's code; nothing of kernelci.
"""

from __future__ import annotations

import ast
import re
from typing import cast

from ipykernel.iostream import OutStream
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

CELL_BYTES = 16 * 1024 * 1024
"""What one cell may print to one stream; the rest is dropped here, so that it costs no memory anywhere."""


def kernel_app(connection_file: str, *, stands_for_data: str | None) -> IPKernelApp:
    """A kernel that listens already and only waits to be started.

    Where /mnt/data could not be made, `stands_for_data` is the folder that code means by it.
    """
    config = Config()
    config.IPKernelApp.connection_file = connection_file
    config.IPKernelApp.outstream_class = f"{__name__}.CellStream"
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    config.InteractiveShell.colors = "nocolor"
    config.HistoryManager.enabled = False
    app = IPKernelApp.instance(config=config)
    app.initialize([])  # pyright: ignore[reportUnknownMemberType]
    if stands_for_data is not None and app.shell is not None:
        app.shell.ast_transformers.append(DataFolder(stands_for_data))
    return app


class CellStream(OutStream):
    """Standard output or error of the cells: sent on within 20 ms, and only so much a cell."""

    flush_interval = 0.02
    _cell: str | None = None
    _left = 0

    def write(self, string: str) -> int | None:
        """Write what the cell has left to write; the first write beyond that says so."""
        cell = cast("dict[str, str]", self.parent_header).get("msg_id")  # pyright: ignore[reportUnknownMemberType]
        if cell != self._cell:
            self._cell, self._left = cell, CELL_BYTES
        if self._left < 0:
            return len(string)
        # Lone surrogates do not survive the way to the host: show them as Python writes them.
        encoded = string.encode("utf-8", "backslashreplace")
        shown = encoded[: self._left].decode("utf-8", "ignore")
        self._left -= len(encoded)
        if self._left < 0:
            shown += f"\n[output cut here: one cell may print {CELL_BYTES // 1024**2} MiB]\n"
        super().write(shown)
        return len(string)


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
