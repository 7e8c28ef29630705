"""From what pydantic found to what the API says: the sentence, the parameter's path and the code.

The wording is that of OpenAI's own validator (protocol.md 1.3); paths and codes are what clients may rely on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kernelci.errors import InvalidRequest
from kernelci.protocol.requests import Body

BodyT = TypeVar("BodyT", bound=Body)

_SHOWN = 64
"""Characters of a client's own value that an error repeats."""

_WANTED = {
    "string": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "dict": "an object",
    "model": "an object",
    "tuple": "an array",
}
"""How the API calls what pydantic wants, by the first word of its error's type."""


def check(model: type[BodyT], data: object, *, path: str = "", strict: bool = False) -> BodyT:
    """The data as that body. `path` is the parameter that it is within another; `strict` refuses unknown fields.

    Raises:
        InvalidRequest: about the first thing that is wrong.
    """
    try:
        return model.model_validate(data, extra="forbid" if strict else None, context={"strict": strict})
    except ValidationError as invalid:
        raise refusal(invalid.errors(include_url=False)[0], data, path) from None


def refusal(error: ErrorDetails, data: object, path: str = "") -> InvalidRequest:
    """The API's words for one of pydantic's errors about that data."""
    loc = error["loc"]
    if loc[-1:] == ("[key]",):
        param = parameter(loc[:-2], data)
        text = f"Invalid '{param}': property name too long. The longest allowed has 64 characters."
        return InvalidRequest(text, param=param, code="property_name_above_max_length")
    kind = error["type"]
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        loc = (*loc, "type")
    param = parameter(loc, data, absent=kind in {"missing", "union_tag_not_found"})
    if param is not None:
        param = path + param
    if kind == "extra_forbidden":
        return unknown_parameter(param)
    text, code = _verdict(kind, param, error["input"], error.get("ctx", {}), error["msg"])
    return InvalidRequest(text, param=param, code=code)


def parameter(loc: Sequence[int | str], data: object, *, absent: bool = False) -> str | None:
    """The path of a parameter, as in `messages[0].role`; None for the body itself.

    Pydantic's location also names the branches of unions. They are told from fields by looking into the data,
    in which only the last step of one that is `absent` is not to be found.
    """
    path = ""
    for step in _fields(loc, data, absent):
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or None


def _fields(loc: Sequence[int | str], data: object, absent: bool) -> tuple[int | str, ...]:
    """The steps that are fields. A name may be a branch's and a field's: the reading counts that finds the last."""
    if not loc:
        return ()
    step, rest = loc[0], loc[1:]
    if isinstance(step, int):
        items = cast("Sequence[object]", data) if isinstance(data, list) else ()
        return (step, *_fields(rest, items[step], absent)) if step < len(items) else ()
    readings = [_fields(rest, data, absent)]
    if isinstance(data, Mapping):
        known = cast("Mapping[str, object]", data)
        if step in known or (absent and not rest):
            readings.append((step, *_fields(rest, known.get(step), absent)))
    return max(readings, key=lambda found: (found[-1:] == (loc[-1],), len(found)))


def unknown_parameter(param: str | None) -> InvalidRequest:
    """The refusal of a field that there is not."""
    return InvalidRequest(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def wrong_value(param: str, given: str, supported: Sequence[str]) -> InvalidRequest:
    """The refusal of a value that is none of those supported."""
    text = f"Invalid value: {given[:_SHOWN]!r}. Supported values are: {listed(supported)}."
    return InvalidRequest(text, param=param, code="invalid_value")


def wrong_type(param: str, wanted: str, given: object) -> InvalidRequest:
    """The refusal of a value of another type than is `wanted`."""
    text = f"Invalid type for '{param}': expected {wanted}, but got {_described(given)} instead."
    return InvalidRequest(text, param=param, code="invalid_type")


def listed(values: Sequence[str]) -> str:
    """Quoted values as a sentence names them: 'a', 'b', and 'c'."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return f"{', '.join(quoted[:-1])}, and {quoted[-1]}"


def _verdict(
    kind: str, param: str | None, given: object, context: Mapping[str, Any], message: str
) -> tuple[str, str]:
    """The sentence and the code."""
    invalid = f"Invalid '{param}'"
    match kind:
        case "missing" | "union_tag_not_found":
            return f"Missing required parameter: '{param}'.", "missing_required_parameter"
        case "greater_than_equal":
            number = _number(context["ge"])
            text = f"{number} below minimum value. Expected a value >= {context['ge']}, but got {given} instead."
            return f"{invalid}: {text}", f"{number}_below_min_value"
        case "less_than_equal":
            number = _number(context["le"])
            text = f"{number} above maximum value. Expected a value <= {context['le']}, but got {given} instead."
            return f"{invalid}: {text}", f"{number}_above_max_value"
        case "string_too_short":
            return f"{invalid}: string too short. It must not be empty.", "string_below_min_length"
        case "too_short":
            return f"{invalid}: empty array. Expected an array with minimum length 1.", "empty_array"
        case "string_too_long" | "too_long":
            return _too_long(invalid, cast("str | list[object] | dict[str, object]", given), context["max_length"])
        case "literal_error":
            return _not_one_of(given, context["expected"]), "invalid_value"
        case "union_tag_invalid":
            return _not_one_of(context["tag"], context["expected_tags"]), "invalid_value"
        case "string_pattern_mismatch":
            text = (
                f"string does not match pattern. Expected a string that matches the pattern '{context['pattern']}'."
            )
            return f"{invalid}: {text}", "invalid_value"
        case "missing_required_parameter":  # of the bodies' own validators
            return message, kind
        case _ if wanted := _WANTED.get(kind.partition("_")[0]):
            text = f"Invalid type for '{param or 'body'}': expected {wanted}, but got {_described(given)} instead."
            return text, "invalid_type"
        case _:
            return message, "invalid_value"


def _number(bound: object) -> str:
    return "decimal" if isinstance(bound, float) else "integer"


def _too_long(invalid: str, given: str | list[object] | dict[str, object], most: int) -> tuple[str, str]:
    if isinstance(given, dict):
        wanted = f"an object with at most {most} properties"
        text = f"too many properties. Expected {wanted}, but got an object with {len(given)} properties instead."
        return f"{invalid}: {text}", "object_above_max_properties"
    kind = "string" if isinstance(given, str) else "array"
    article = "a" if isinstance(given, str) else "an"
    wanted = f"{article} {kind} with maximum length {most}"
    text = f"{kind} too long. Expected {wanted}, but got {article} {kind} with length {len(given)} instead."
    return f"{invalid}: {text}", f"{kind}_above_max_length"


def _not_one_of(given: object, expected: str) -> str:
    supported: list[str] = re.findall(r"'([^']*)'", expected)
    shown = repr(given[:_SHOWN]) if isinstance(given, str) else _described(given)
    return f"Invalid value: {shown}. Supported values are: {listed(supported)}."


def _described(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case dict():
            return "an object"
        case _:
            return "an array"
