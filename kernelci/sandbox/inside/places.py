"""Where a session's code finds its files: what it calls /mnt/data and /tmp, and where these really are.

Where a kernel has mounts of its own they are there. Elsewhere they are folders of the host, which no program should
have to know: what a cell calls by the usual names is found in them, and what it shows is called by the usual names.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass

DATA, TEMPORARY = "/mnt/data", "/tmp"

_COMMANDS = {"system", "getoutput", "run_line_magic", "run_cell_magic"}
_IN_A_COMMAND = re.compile(rf"(?<![\w/.~-])({DATA}|{TEMPORARY})(?![\w.-])")


@dataclass(frozen=True)
class Places:
    """The folders that a session's code may write to."""

    data: str = DATA
    temporary: str = TEMPORARY

    @property
    def usual(self) -> bool:
        """Whether they are where they are said to be."""
        return self == Places()

    def found(self, path: str) -> str:
        """A path below one of them as it really is; any other text as it was."""
        for usual, real in ((DATA, self.data), (TEMPORARY, self.temporary)):
            if path == usual or path.startswith(f"{usual}/"):
                return real + path[len(usual) :]
        return path

    def found_in(self, command: str) -> str:
        """A command of the shell, or the line of a magic, with its paths as they really are."""
        return _IN_A_COMMAND.sub(lambda match: self.found(match[0]), command)

    def told(self, line: bytes) -> bytes:
        """A line of JSON in which they are called by their usual names."""
        if self.usual:
            return line
        for usual, real in ((DATA, self.data), (TEMPORARY, self.temporary)):
            line = line.replace(json.dumps(real)[1:-1].encode(), usual.encode())
        return line


class Finding(ast.NodeTransformer):
    """Has the texts of a cell that begin with one of the usual names begin with the real one.

    In what IPython has made of `!` and `%` they are found in the midst of the text, too.
    """

    def __init__(self, places: Places) -> None:
        self._places = places

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """A text, or bytes."""
        if isinstance(node.value, str):
            node.value = self._places.found(node.value)
        elif isinstance(node.value, bytes):
            node.value = self._places.found(node.value.decode("latin-1")).encode("utf-8", "surrogateescape")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        """An f-string, whose first piece is its beginning."""
        for piece in node.values[:1]:
            self.visit(piece)
        for piece in node.values[1:]:
            if isinstance(piece, ast.FormattedValue):
                self.visit(piece)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """A call, of IPython's own perhaps."""
        match node.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=attribute):
                if attribute in _COMMANDS:
                    for each in node.args:
                        if isinstance(each, ast.Constant) and isinstance(each.value, str):
                            each.value = self._places.found_in(each.value)
                    return node
            case _:
                pass
        self.generic_visit(node)
        return node
