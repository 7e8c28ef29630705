"""What holds for every request body there is, whatever its fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kernelci.protocol.requests import AssistantCreate, Body, MessageCreate, RunCreate, ThreadCreate, ToolOutputs
from kernelci.protocol.uploads import UploadComplete

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
