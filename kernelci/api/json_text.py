"""JSON in and out: what is let in can be stored and sent again, and what is sent stays on its line."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import cast

from pydantic_core import from_json

from kernelci.protocol.parts import JsonObject

_LARGE_NUMBER = re.compile(rb"\d[eE]\+?\d{3}|\d{309}")
_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def parsed(raw: bytes) -> object:
    """JSON as it may be kept and sent again: no NaN, no number beyond a float, no half of a surrogate pair.

    Raises:
        ValueError: it is none.
    """
    value: object = from_json(raw, allow_inf_nan=False)
    if _LARGE_NUMBER.search(raw) and not _is_finite(value):
        raise ValueError("a number is out of range")
    return value


def json_bytes(content: JsonObject) -> bytes:
    """JSON on one line, whatever the line breaks of its reader.

    Half a surrogate pair, which programs do print, cannot be UTF-8: it is written as JSON's escape, which is what
    Python's own happens to be. Old event stream readers break lines at U+0085, U+2028 and U+2029.
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_LINE_BREAKS).encode("utf-8", "backslashreplace")


def _is_finite(value: object) -> bool:
    match value:
        case float():
            return isfinite(value)
        case list():
            return all(map(_is_finite, cast("list[object]", value)))
        case dict():
            return all(map(_is_finite, cast("dict[str, object]", value).values()))
        case _:
            return True
