"""Calls written as Python's own, in a list: `[weather(city="Haifa")]`, as Llama 3.2, Llama 4 and LFM2 write them.

They are parsed and never evaluated: the arguments are named, and literals. And whether a text is Python at all.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Literal, cast

from kernelci.models.written import WrittenCall

PYTHONIC = re.compile(r"\s*\[\s*[A-Za-z_][\w.]*\(")
"""How such a list begins."""

_LONGEST = 64 * 1024  # characters
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
"""JSON's words, which models write among Python's."""


def pythonic_calls(text: str) -> list[WrittenCall]:
    """The calls that a text is from end to end; none where anything in it is something else."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")) or len(text) > _LONGEST:
        return []
    # Some models break lines in the middle of a string; outside of strings they do not.
    tree = _parsed(text)
    if tree is None and "\n" in text:
        tree = _parsed(text.replace("\n", "\\n"))
    if not isinstance(tree, ast.List):
        return []
    try:
        return [_call(each) for each in tree.elts]
    except (TypeError, ValueError, RecursionError):
        return []


def begins_as_python(text: str) -> bool:
    """Whether a text's first line may be Python's, or IPython's: a mistake further on is for the kernel to tell."""
    if len(text) > _LONGEST:
        return True
    try:
        _ = _tree(text.strip(), "exec")
    except SyntaxError as error:
        return (error.lineno or 0) > 1 or text.lstrip().startswith(("%", "!"))
    except (ValueError, RecursionError, MemoryError):
        pass
    return True


def _parsed(text: str) -> ast.expr | None:
    try:
        return cast("ast.Expression", _tree(text, "eval")).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _tree(text: str, mode: Literal["exec", "eval"]) -> ast.AST:
    with warnings.catch_warnings(action="ignore"):  # of a backslash that escapes nothing
        return ast.parse(text, mode=mode)


def _call(node: ast.expr) -> WrittenCall:
    """One call.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(node, ast.Call) or node.args or not _is_name(node.func):
        raise ValueError
    arguments = {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords if keyword.arg}
    if len(arguments) != len(node.keywords):
        raise ValueError
    return WrittenCall(ast.unparse(node.func), json.dumps(arguments, ensure_ascii=False))


def _is_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    return ast.literal_eval(node)
