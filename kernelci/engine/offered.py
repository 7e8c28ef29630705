"""The tools that a model is told of: the interpreter, the client's functions, the reader of long outputs (pure)."""

from __future__ import annotations

from kernelci.engine.ports.model import CODE_TOOL, READ_TOOL
from kernelci.protocol.objects import Run
from kernelci.protocol.parts import CodeInterpreterTool, ForcedTool, FunctionTool, JsonObject

_INTERPRETER: JsonObject = {
    "type": "function",
    "function": {
        "name": CODE_TOOL,
        "description": (
            "Run Python in the conversation's own IPython kernel. Variables and imports are kept between calls. "
            "The working folder is /mnt/data. There is no network. Figures are shown to the user when they are "
            "displayed; a file is given to the user by a link such as [name](sandbox:/mnt/data/name)."
        ),
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "Python source, as in a notebook cell"}},
            "required": ["code"],
            "additionalProperties": False,
        },
    },
}

_READER: JsonObject = {
    "type": "function",
    "function": {
        "name": READ_TOOL,
        "description": (
            "Read more of an output that was cut: lines of it, or those that have a text in them. "
            "Nothing is run again."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": "Which output, such as out_1; the last one if left out"},
                "from_line": {"type": "integer", "description": "First line; -20 begins 20 lines before the end"},
                "to_line": {"type": "integer", "description": "Last line"},
                "search": {"type": "string", "description": "Show the lines with this text instead; no pattern"},
            },
            "additionalProperties": False,
        },
    },
}


def runs_code(run: Run) -> bool:
    """Whether the run has the interpreter."""
    return any(isinstance(tool, CodeInterpreterTool) for tool in run.tools)


def can_read(run: Run) -> bool:
    """Whether the model may be offered the reader, once there is something to read."""
    return runs_code(run) and READ_TOOL not in functions_of(run)


def functions_of(run: Run) -> frozenset[str]:
    """The names of the functions that the client runs."""
    return frozenset(tool.function.name for tool in run.tools if isinstance(tool, FunctionTool))


def offered(run: Run, *, reader: bool) -> tuple[JsonObject, ...]:
    """The tools the model is told of; file search has none yet."""
    told: list[JsonObject] = []
    for tool in run.tools:
        match tool:
            case CodeInterpreterTool():
                told.append(_INTERPRETER)
            case FunctionTool():
                told.append({"type": "function", "function": tool.function.model_dump()})
            case _:
                continue
    return (*told, _READER) if reader and can_read(run) else tuple(told)


def tool_choice(run: Run, turn: int) -> str | JsonObject | None:
    """What the model must do in a turn. A tool is forced on the first only, or the run could never end."""
    choice = run.tool_choice
    if choice == "none":
        return "none"
    if turn > 0 or choice == "auto":
        return None
    if isinstance(choice, ForcedTool):
        if choice.type == "file_search":
            return None  # there is nothing to search yet
        name = choice.function.name if choice.function else CODE_TOOL
        return {"type": "function", "function": {"name": name}}
    return choice
