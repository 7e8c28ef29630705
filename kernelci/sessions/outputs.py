"""From a kernel's iopub messages to a cell's outputs in nbformat 4.5 (pure).

What a kernel sends is not to be trusted: a message that is not what it should be is left out, and whatever is
kept can be stored and shown as it is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, cast

from kernelci.protocol.parts import JsonObject
from kernelci.sessions.terminal import plain, whole

_MIME = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9.+-]+")
_DEEPEST = 100
_MOST_CELLS = 2**31


class Outputs:
    """The outputs of one cell, as its messages come in."""

    def __init__(self) -> None:
        self._outputs: list[JsonObject] = []
        self._displays: dict[str, list[JsonObject]] = {}
        self._clear_next = False

    def take(self, kind: str, content: JsonObject) -> None:
        """Apply a message by its type; other types than those of outputs change nothing.

        Streams of one name are merged between other outputs. An update of a display that this cell did not
        make is shown as a display, since the cell that made it has been told already.
        """
        match kind:
            case "clear_output":
                self._clear_next = True
                if not content.get("wait"):
                    self._clear()
            case "stream":
                self.stream(content.get("name"), content.get("text"))
            case "display_data" | "execute_result":
                self._show(kind, content)
            case "update_display_data":
                self._update(content)
            case "error":
                self._add(_error(content))
            case _:
                pass

    def stream(self, name: object, text: object) -> None:
        """Add printed text; a stream's text is a list of pieces until it is finished."""
        if name not in ("stdout", "stderr") or not isinstance(text, str) or not text:
            return
        self._clear()
        for output in reversed(self._outputs):
            if output["output_type"] != "stream":
                break
            if output["name"] == name:
                output["text"].append(text)
                return
        self._outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def collected(self) -> list[JsonObject]:
        """The outputs so far, neither trimmed nor shown as a terminal would."""
        return self._outputs

    def _show(self, kind: str, content: JsonObject) -> None:
        output: JsonObject = {"output_type": kind, **_bundle(content)}
        if kind == "execute_result":
            output["execution_count"] = counted(content.get("execution_count"))
        self._add(output)
        name = _display_id(content)
        if name is not None:
            self._displays.setdefault(name, []).append(output)

    def _update(self, content: JsonObject) -> None:
        shown = self._displays.get(_display_id(content) or "")
        if not shown:
            self._show("display_data", content)
        for output in shown or ():
            output.update(_bundle(content))

    def _add(self, output: JsonObject) -> None:
        self._clear()
        self._outputs.append(output)

    def _clear(self) -> None:
        if self._clear_next:
            self._outputs.clear()
            self._displays.clear()
            self._clear_next = False


def changeable(kind: str, content: JsonObject) -> bool:
    """Whether this takes back what was shown, or shows what can be updated."""
    if kind in {"display_data", "execute_result"}:
        return _display_id(content) is not None
    return kind in {"clear_output", "update_display_data"}


def counted(value: object) -> int | None:
    """An execution count, if it can be one: a notebook with any other is not valid."""
    return value if type(value) is int and 0 <= value < _MOST_CELLS else None


def _display_id(content: JsonObject) -> str | None:
    name = _mapping(content.get("transient")).get("display_id")
    return name if isinstance(name, str) else None


def _bundle(content: JsonObject) -> JsonObject:
    data = _mapping(content.get("data"))
    kept = {kind: _value(kind, value) for kind, value in data.items() if _MIME.fullmatch(kind)}
    metadata = cleaned(_mapping(content.get("metadata")))
    return {"data": {kind: value for kind, value in kept.items() if value is not None}, "metadata": metadata}


def _value(kind: str, value: object) -> object:
    """A value as nbformat allows it for its type: any JSON for JSON types, text for the rest."""
    if kind == "application/json" or kind.endswith("+json"):
        return cleaned(value)
    text = _text(value)
    if text is None:
        return json.dumps(cleaned(value))
    return plain(text) if kind == "text/plain" else whole(text)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in cast("list[Any]", value)):
        return "".join(cast("list[str]", value))
    return None


def _error(content: JsonObject) -> JsonObject:
    lines = content.get("traceback")
    return {
        "output_type": "error",
        "ename": plain(str(content.get("ename", ""))),
        "evalue": plain(str(content.get("evalue", ""))),
        "traceback": [plain(str(line)) for line in _items(lines)],
    }


def cleaned(value: object, depth: int = 0) -> Any:  # noqa: ANN401
    """The JSON value without what cannot be stored: lone surrogates, NUL, NaN, endless nesting."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        items = cast(JsonObject, value).items()
        return {whole(str(key)): cleaned(item, depth + 1) for key, item in items}
    if isinstance(value, list):
        return [cleaned(item, depth + 1) for item in cast("list[object]", value)]
    return value


def _mapping(value: object) -> JsonObject:
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def _items(value: object) -> Iterable[object]:
    return cast("list[object]", value) if isinstance(value, list) else ()
