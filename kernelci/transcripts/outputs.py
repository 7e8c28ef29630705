"""Which of a cell's outputs a notebook keeps, and in what form. Pure functions.

What a kernel sent is the work of code that nobody has vouched for, and not every program that shows notebooks
cleans what it shows: some put pictures and their sizes into a page unread. So an output is built anew from the
parts of it that are known to be harmless. HTML and SVG stay if they are plainly inert (inert.py); scripts,
widgets and unknown types go, and where nothing is left of an output, a line of text says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, cast

from kernelci.protocol.parts import JsonObject
from kernelci.transcripts.inert import is_inert

_TEXT = frozenset({"text/plain", "text/markdown", "text/latex"})
_MARKUP = frozenset({"text/html", "image/svg+xml"})
_PICTURE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DATA = re.compile(
    r"application/json|application/geo\+json|application/vnd\.dataresource\+json"
    r"|application/vnd\.plotly\.v\d+\+json|application/vnd\.vega(lite)?\.v\d+(\+json|\.json)"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_LEFT_OUT = "[This output is not kept: it is made of scripts or of a type that is not known to be harmless.]"


def kept(outputs: Iterable[JsonObject]) -> list[JsonObject]:
    """The outputs as valid, harmless nbformat 4.5; what is no output at all is dropped."""
    return [safe for output in outputs if (safe := _safe(output)) is not None]


def count(value: object) -> int | None:
    """An execution count as the format allows it."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _safe(output: JsonObject) -> JsonObject | None:
    match output.get("output_type"):
        case "stream":
            name = output.get("name")
            name = name if name in ("stdout", "stderr") else "stdout"
            return {"output_type": "stream", "name": name, "text": _text(output.get("text")) or ""}
        case "error":
            return {
                "output_type": "error",
                "ename": _text(output.get("ename")) or "",
                "evalue": _text(output.get("evalue")) or "",
                "traceback": [line for line in _list(output.get("traceback")) if isinstance(line, str)],
            }
        case "display_data":
            return {"output_type": "display_data", **_bundle(output)}
        case "execute_result":
            number = count(output.get("execution_count"))
            return {"output_type": "execute_result", "execution_count": number, **_bundle(output)}
        case _:
            return None


def _bundle(output: JsonObject) -> JsonObject:
    data: JsonObject = {}
    for mime, value in _dict(output.get("data")).items():
        safe = _value(mime, value)
        if safe is not None:
            data[mime] = safe
    described = _dict(output.get("metadata"))
    sizes = {mime: size for mime in data if (size := _size(_dict(described.get(mime))))}
    return {"data": data or {"text/plain": _LEFT_OUT}, "metadata": sizes}


def _value(mime: str, value: object) -> object:
    """The value as it may stand under that type; None if it may not."""
    if _DATA.fullmatch(mime):
        # By the schema a type that does not end in +json holds text.
        return _finite(value) if mime.endswith(("/json", "+json")) else _text(value)
    text = _text(value)
    if text is None:
        return None
    if mime in _TEXT or (mime in _MARKUP and is_inert(text)) or (mime in _PICTURE and _BASE64.fullmatch(text)):
        return text
    return None


def _size(described: JsonObject) -> JsonObject:
    """What a viewer needs to know to show a picture as it was meant."""
    size: JsonObject = {
        name: value
        for name in ("width", "height")
        if isinstance(value := described.get(name), int | float) and not isinstance(value, bool)
    }
    if described.get("needs_background") in ("light", "dark"):
        size["needs_background"] = described["needs_background"]
    return _dict(_finite(size))


def _text(value: object) -> str | None:
    """The text of a value that is text or a list of lines."""
    if isinstance(value, str):
        return value
    lines = _list(value)
    return "".join(cast("list[str]", lines)) if lines and all(isinstance(line, str) for line in lines) else None


def _finite(value: object) -> object:
    """The value without what JSON has no word for: NaN and the infinities become null, as in the store."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast("list[Any]", value)]
    return value


def _dict(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return list(cast("list[object]", value)) if isinstance(value, list | tuple) else []
