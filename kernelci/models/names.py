"""Which tool a model means by the name that it wrote."""

from __future__ import annotations

import re

from kernelci.engine.ports.model import CODE_TOOL, READ_TOOL, ModelRequest

_INTERPRETERS = frozenset(
    {
        "code", "code_exec", "code_execution", "code_executor", "code_interpreter", "code_runner",
        "codeinterpreter",
        "exec", "exec_code", "exec_python", "execute", "execute_code", "execute_python", "execute_python_code",
        "interpreter", "ipython", "jupyter", "notebook", "py", "python", "python3", "python_code", "python_exec",
        "python_interpreter", "python_repl", "python_repl_ast", "python_tool", "repl", "run", "run_code",
        "run_python", "run_python_code", "tool_code",
    }
)  # fmt: skip
"""What models call the interpreter when they were trained with another: by the name, or by one part of it."""

_WORDS_ONLY = re.compile(r"[^a-z0-9]+")
_PARTS = re.compile(r"[.:/]|__")
_LEAKED = re.compile(r"<\|.*", re.DOTALL)
"""A model's own control words, which some endpoints leave in the name."""


def tool_meant(name: str, request: ModelRequest) -> str:
    """The offered tool that a name means; the name as it is where it means none.

    An exact name is always that tool. Then `functions.weather` is weather, and `python`, `functions.python`,
    `execute` or `code_interpreter.run` the interpreter, if the request offers it.
    """
    offered = _offered(request)
    bare = _LEAKED.sub("", name).strip()
    parts = [part for part in _PARTS.split(bare) if part]
    for known in (name, bare, *parts[-1:]):
        if known in offered:
            return known
    if request.offers_code and (
        _is_interpreter(bare, parts) or (not bare and {CODE_TOOL, READ_TOOL}.issuperset(offered))
    ):
        return CODE_TOOL
    return name


def is_offered(name: str, request: ModelRequest, *, exactly: bool = False) -> bool:
    """Whether a name means a tool that is offered: with `exactly` its own name, or that after a dot."""
    return (name.rpartition(".")[2] if exactly else tool_meant(name, request)) in _offered(request)


def _offered(request: ModelRequest) -> list[str]:
    return [str(tool["function"]["name"]) for tool in request.tools]


def _is_interpreter(name: str, parts: list[str]) -> bool:
    words = (_WORDS_ONLY.sub("_", part.lower()).strip("_") for part in (name, *parts))
    return any(word in _INTERPRETERS for word in words)
