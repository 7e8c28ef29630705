"""The API's JSON as stored objects: what other services and other times wrote, in the canonical form.

Both dialects are read: v1 had `file_ids` and `retrieval` where v2 has resources, attachments and `file_search`
(protocol.md 2.9). Pure functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import ValidationError
from pydantic_core import from_json

from kernelci.protocol.objects import Assistant, File, Message, MessageIncomplete, Run, RunStep, Thread
from kernelci.protocol.parts import JsonObject, without_nulls
from kernelci.protocol.retrieval import rename_call, rename_tools
from kernelci.protocol.states import ACTIVE

Imported = Assistant | File | Message | Run | RunStep | Thread

KINDS: Mapping[str, type[Imported]] = {
    "assistant": Assistant,
    "file": File,
    "thread": Thread,
    "thread.message": Message,
    "thread.run": Run,
    "thread.run.step": RunStep,
}
"""What can be taken in, by its `object`."""

_DEEPEST = 8
_LATEST = 1 << 40
"""Unix seconds beyond which no time is one."""


class Unfit(Exception):
    """An object that lacks what its kind must have, or has it in another shape."""


def found_in(value: object, depth: int = 0) -> Iterator[JsonObject]:
    """The objects in a JSON value: itself, or those in its lists and pages, however they are put together."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from found_in(item, depth + 1)
    elif isinstance(value, dict):
        given = cast("JsonObject", value)
        if isinstance(given.get("object"), str) and given["object"] != "list":
            yield given
        else:
            for item in given.values():
                yield from found_in(item, depth + 1)


def stored(given: JsonObject) -> Imported:
    """The object as the store keeps it; a file has still to be given its bytes.

    A run that had not ended is `expired`: the service that it waited for is gone.

    Raises:
        Unfit: it cannot be read as what it says it is.
    """
    kind = KINDS[given["object"]]
    plain = {key: value for key, value in given.items() if value is not None and key not in _ours(kind)}
    plain["metadata"] = _texts(plain.get("metadata"))
    _raise_from_v1(kind, plain)
    if kind is File:
        plain |= {"blob": "", "bytes": 0, "status": "processed"}
    try:
        object = kind.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unfit(f"{place}: {first['msg']}") from None
    _check(object)
    return _ended(object)


def _ours(kind: type[Imported]) -> frozenset[str]:
    """The fields that no service has sent; but v1's runs did have `file_ids`."""
    return kind.private - {"file_ids"}


def _check(object: Imported) -> None:
    """Raise Unfit if it holds what could not be stored, or not be sent again."""
    for name in type(object).model_fields:
        time = getattr(object, name) if name.endswith("_at") else None
        if time is not None and not 0 <= time < _LATEST:
            raise Unfit(f"{name}: is no time in Unix seconds")
    try:
        text = json.dumps(object.model_dump(), ensure_ascii=False).encode()
        from_json(text, allow_inf_nan=False)  # as the API reads what it is sent
    except UnicodeEncodeError:
        raise Unfit("there is half of a surrogate pair in it, which is no text") from None
    except (ValueError, RecursionError) as error:
        raise Unfit(f"it could not be sent again ({error})") from None


def _ended(object: Imported) -> Imported:
    """The object, at rest."""
    match object:
        case Run() if object.status in ACTIVE:
            return object.model_copy(update={"status": "expired", "required_action": None})
        case RunStep() if object.status == "in_progress":
            return object.model_copy(update={"status": "expired", "expired_at": object.created_at})
        case Message() if object.status == "in_progress":
            reason = MessageIncomplete(reason="run_expired")
            update = {"status": "incomplete", "incomplete_details": reason, "incomplete_at": object.created_at}
            return object.model_copy(update=update)
        case Message() if object.status == "completed" and object.completed_at is None:  # as it was mostly sent
            return object.model_copy(update={"completed_at": object.created_at})
        case _:
            return object


def _raise_from_v1(kind: type[Imported], plain: JsonObject) -> None:
    """Give what v1 had its place in v2; what has another shape is left to be refused."""
    file_ids, details = plain.get("file_ids"), plain.get("step_details")
    if kind in (Assistant, Run):
        rename_tools(plain)
    if kind is RunStep and isinstance(details, dict):
        plain["step_details"] = _with_calls_renamed(cast("JsonObject", details))
    if kind is Assistant and file_ids and "tool_resources" not in plain:
        plain["tool_resources"] = {"code_interpreter": {"file_ids": file_ids}}
    if kind is Message and isinstance(file_ids, list) and not plain.get("attachments"):
        code = [{"type": "code_interpreter"}]
        plain["attachments"] = [{"file_id": id, "tools": code} for id in cast("list[object]", file_ids)]


def _with_calls_renamed(details: JsonObject) -> JsonObject:
    calls = details.get("tool_calls")
    if not isinstance(calls, list):
        return details
    return {**details, "tool_calls": [rename_call(call) for call in cast("list[object]", calls)]}


def _texts(metadata: object) -> dict[str, str]:
    """v1 took any values; v2 has texts."""
    pairs = without_nulls(metadata)
    if not isinstance(pairs, dict):
        return {}
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in cast("dict[str, object]", pairs).items()
    }
