"""What holds for every request body there is, whatever its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import pytest
from pydantic import BaseModel, ValidationError

from kernelci.protocol import calls, requests, uploads
from kernelci.protocol.requests import (
    AssistantCreate,
    Body,
    FileListQuery,
    ListQuery,
    MessageCreate,
    RunCreate,
    ThreadCreate,
    ToolOutputs,
)
from kernelci.protocol.uploads import FileCreate, FormExpiresAfter, UploadComplete

LONG = 10_000
SAID = {"role": "user", "content": "x"}
STRANGE = {f"x{number}": 0 for number in range(LONG)}


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (ThreadCreate, {"messages": [0] * LONG}),
        (ThreadCreate, {"metadata": dict.fromkeys(STRANGE, 0)}),
        (ThreadCreate, {"tool_resources": {"code_interpreter": {"file_ids": [0] * LONG}}}),
        (ThreadCreate, {"messages": [SAID | STRANGE]}),
        (ThreadCreate, STRANGE),
        (MessageCreate, {"role": "user", "content": [0] * LONG}),
        (MessageCreate, SAID | {"attachments": [0] * LONG}),
        (MessageCreate, SAID | {"attachments": [{"file_id": "f", "tools": [0] * LONG}]}),
        (AssistantCreate, {"model": "m", "tools": [0] * LONG}),
        (AssistantCreate, {"model": "m", "tools": [{"type": "function", "function": {"name": "f"} | STRANGE}]}),
        (RunCreate, {"assistant_id": "asst_1", "additional_messages": [0] * LONG}),
        (RunCreate, {"assistant_id": "asst_1", "truncation_strategy": STRANGE}),
        (ToolOutputs, {"tool_outputs": [0] * LONG}),
        (UploadComplete, {"part_ids": [0] * LONG}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else ", ".join(value)[:40],
)
def test_of_all_that_is_wrong_only_the_first_is_noted(model: type[Body], data: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(data, extra="forbid")
    assert refused.value.error_count() <= 2, "an item, and perhaps that the list is too short without it"


def test_a_request_has_as_many_messages_as_a_thread_may_have() -> None:
    ThreadCreate.model_validate({"messages": [SAID] * 100_000})
    with pytest.raises(ValidationError, match="at most 100000 items"):
        ThreadCreate.model_validate({"messages": [SAID] * 100_001})


def inside(annotation: object) -> Iterator[object]:
    """A type, and what it is written with."""
    yield annotation
    for each in get_args(annotation):
        yield from inside(each)


def within(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A body, and all that its fields can hold."""
    yield model
    for field in model.model_fields.values():
        for each in inside(field.annotation):
            if isinstance(each, type) and issubclass(each, BaseModel):
                yield from within(each)


COME_AS_TEXT = (ListQuery, FileListQuery, FileCreate, FormExpiresAfter)
"""Queries and forms."""

NAMED = {**vars(requests), **vars(uploads), **vars(calls)}.values()
BODIES = [each for each in NAMED if isinstance(each, type) and issubclass(each, Body)]
MODELS = {each for body in BODIES if not issubclass(body, COME_AS_TEXT) for each in within(body)}
OTHERS: dict[object, list[object]] = {
    int: ["5", "3600", True, 3600.0],
    float: ["1", "0.5", True],
    bool: ["true", "yes", "1", 1, 0, 1.0],
}
"""What is no number or boolean of that kind, though it could be read as one."""

PLAIN = [
    pytest.param(model, field.alias or name, kind, id=f"{model.__name__}.{name}")
    for model in sorted(MODELS, key=lambda model: model.__name__)
    for name, field in model.model_fields.items()
    for kind in inside(field.annotation)
    if kind in (int, float, bool)
]


@pytest.mark.parametrize("extra", [None, "forbid"], ids=["lenient", "strict"])
@pytest.mark.parametrize(("model", "field", "kind"), PLAIN)
def test_a_number_or_a_boolean_is_taken_only_as_that(
    model: type[BaseModel], field: str, kind: type, extra: Literal["forbid"] | None
) -> None:
    for other in OTHERS[kind]:
        with pytest.raises(ValidationError) as refused:
            model.model_validate({field: other}, extra=extra)
        assert {error["type"] for error in refused.value.errors() if error["loc"] == (field,)} == {
            f"{kind.__name__}_type"
        }, other


def test_what_a_form_has_is_read_as_the_number_that_it_spells() -> None:
    form = {"purpose": "assistants", "expires_after": {"anchor": "created_at", "seconds": "3600"}}
    expiry = FileCreate.model_validate(form).expires_after
    assert expiry is not None
    assert expiry.seconds == 3600
