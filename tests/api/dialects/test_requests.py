"""Bodies of older forms, in the canonical one."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.api.dialects.choice import Dialect
from kernelci.api.dialects.requests import Kind, upgrade
from kernelci.errors import InvalidRequest

V1, V2 = Dialect(version="v1"), Dialect()
STRICT_V1, STRICT_V2 = Dialect(version="v1", strict=True), Dialect(strict=True)
CODE = [{"type": "code_interpreter"}]

PUBLISHED: list[tuple[Kind, Any, Any]] = [
    (
        "assistant",
        {"tool_resources": {"code interpreter": {"file_ids": ["file-1"]}, "file_search": {}}},
        {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}, "file_search": {}}},
    ),
    (
        "assistant",
        {"tool_resources": {"code interpreter": {}, "code_interpreter": {"file_ids": ["file-1"]}}},
        {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}},
    ),
    ("assistant", {"file_ids": ["file-1"]}, {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}}),
    ("assistant", {"file_ids": None, "name": "a"}, {"name": "a"}),
    (
        "assistant",
        {"file_ids": ["f2", "f1"], "tool_resources": {"code_interpreter": {"file_ids": ["f1"]}, "x": 1}},
        {"tool_resources": {"code_interpreter": {"file_ids": ["f1", "f2"]}, "x": 1}},
    ),
    (
        "assistant",
        {"tools": [{"type": "retrieval"}, {"type": "function", "function": {"name": "retrieval"}}]},
        {"tools": [{"type": "file_search"}, {"type": "function", "function": {"name": "retrieval"}}]},
    ),
    ("thread", {"tool_resources": {"code interpreter": {}}}, {"tool_resources": {"code_interpreter": {}}}),
    (
        "message",
        {"role": "user", "file_ids": ["file-1", "file-1"], "attachments": [{"file_id": "file-0"}]},
        {"role": "user", "attachments": [{"file_id": "file-0"}, {"file_id": "file-1", "tools": CODE}]},
    ),
    (
        "run",
        {"thread": {"messages": [{"file_ids": ["file-1"]}]}, "additional_messages": [{"file_ids": []}]},
        {
            "thread": {"messages": [{"attachments": [{"file_id": "file-1", "tools": CODE}]}]},
            "additional_messages": [{"attachments": []}],
        },
    ),
    (
        "run",
        {"tools": [{"type": "retrieval"}], "tool_choice": {"type": "retrieval"}, "response_format": "none"},
        {"tools": [{"type": "file_search"}], "tool_choice": {"type": "file_search"}, "response_format": "auto"},
    ),
]


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize(("kind", "body", "canonical"), PUBLISHED)
def test_what_the_vendors_published_is_understood(dialect: Dialect, kind: Kind, body: Any, canonical: Any) -> None:
    assert upgrade(dialect, kind, body) == canonical


@pytest.mark.parametrize(("kind", "body", "canonical"), PUBLISHED)
def test_a_strict_server_translates_nothing_of_v2(kind: Kind, body: Any, canonical: Any) -> None:
    assert upgrade(STRICT_V2, kind, body) == body
    assert upgrade(STRICT_V2, kind, canonical) == canonical


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("thread", {"messages": 5}),
        ("thread", {"messages": [5, None, []]}),
        ("run", [1]),
        ("run", "x"),
        ("run", {"thread": 5, "additional_messages": {}}),
        ("assistant", {"tools": "retrieval", "tool_resources": []}),
        ("assistant", {"tools": ["retrieval", {"type": []}], "tool_resources": {"code_interpreter": 1}}),
        ("message", {"attachments": 5}),
    ],
)
@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_what_has_another_shape_is_left_to_validation(dialect: Dialect, kind: Kind, body: Any) -> None:
    assert upgrade(dialect, kind, body) == body


@pytest.mark.parametrize("resources", [5, [], {"code_interpreter": 5}, {"code_interpreter": {"file_ids": 5}}])
def test_files_of_both_forms_one_of_them_senseless(resources: Any) -> None:
    upgraded: Any = upgrade(V1, "assistant", {"file_ids": ["file-1"], "tool_resources": resources})
    assert upgraded["tool_resources"] == resources or upgraded["tool_resources"]["code_interpreter"] == {
        "file_ids": ["file-1"]
    }


def test_a_body_is_not_changed_in_place() -> None:
    body = {"messages": [{"file_ids": ["file-1"]}]}
    upgrade(V1, "thread", body)
    assert body == {"messages": [{"file_ids": ["file-1"]}]}


REFUSED: list[tuple[Dialect, Kind, Any, str, str]] = [
    (V1, "assistant", {"file_ids": "file-1"}, "file_ids", "invalid_type"),
    (V1, "assistant", {"file_ids": ["f"] * 21}, "file_ids", "array_above_max_length"),
    (V2, "message", {"file_ids": ["f"] * 11}, "file_ids", "array_above_max_length"),
    (V1, "message", {"file_ids": [5]}, "file_ids[0]", "invalid_type"),
    (V1, "thread", {"messages": [{}, {"file_ids": {}}]}, "messages[1].file_ids", "invalid_type"),
    (V1, "run", {"additional_messages": [{"file_ids": 1}]}, "additional_messages[0].file_ids", "invalid_type"),
    (V1, "run", {"thread": {"messages": [{"file_ids": 1}]}}, "thread.messages[0].file_ids", "invalid_type"),
    (STRICT_V1, "assistant", {"tool_resources": {}}, "tool_resources", "unknown_parameter"),
    (STRICT_V1, "assistant", {"top_p": 1}, "top_p", "unknown_parameter"),
    (STRICT_V1, "run", {"parallel_tool_calls": True}, "parallel_tool_calls", "unknown_parameter"),
    (STRICT_V1, "thread", {"messages": [{"attachments": []}]}, "messages[0].attachments", "unknown_parameter"),
    (STRICT_V1, "message", {"content": [{"type": "text", "text": "x"}]}, "content", "invalid_type"),
    (STRICT_V1, "run", {"tool_choice": "required"}, "tool_choice", "invalid_value"),
    (STRICT_V1, "assistant", {"tools": [{"type": "file_search"}]}, "tools[0].type", "invalid_value"),
]


@pytest.mark.parametrize(("dialect", "kind", "body", "param", "code"), REFUSED)
def test_refusals_name_the_parameter_that_the_client_sent(
    dialect: Dialect, kind: Kind, body: Any, param: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        upgrade(dialect, kind, body)
    assert (refused.value.param, refused.value.code) == (param, code)


NAMES = st.sampled_from(
    [
        "file_ids",
        "attachments",
        "messages",
        "thread",
        "tools",
        "type",
        "tool_resources",
        "tool_choice",
        "content",
        "code_interpreter",
        "additional_messages",
        "response_format",
    ]
)
VALUES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["retrieval", "file_search", "none", "file-1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(
    kind=st.sampled_from(["assistant", "thread", "message", "run"]),
    dialect=st.sampled_from([V1, V2, STRICT_V1, STRICT_V2]),
    body=st.dictionaries(NAMES, VALUES, max_size=6) | VALUES,
)
def test_any_body_is_refused_or_comes_out_canonical(kind: Kind, dialect: Dialect, body: Any) -> None:
    before = copy.deepcopy(body)
    with contextlib.suppress(InvalidRequest):
        canonical = upgrade(dialect, kind, body)
        again = Dialect() if dialect.version == "v1" else dialect
        assert upgrade(again, kind, canonical) == canonical
    assert body == before
