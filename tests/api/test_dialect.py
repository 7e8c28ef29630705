"""Which dialect a request speaks, and the way between it and the canonical form."""

from __future__ import annotations

from typing import Any

import pytest

from kernelci.api.dialect import Dialect, Kind, UnknownApiVersion, choose, downgrade, upgrade


@pytest.mark.parametrize(
    ("path", "api_version", "beta", "dialect"),
    [
        ("/v1/threads", None, None, Dialect()),
        ("/v1/threads", None, "assistants=v2", Dialect()),
        ("/v1/threads", None, "realtime=v1, assistants=v1", Dialect("openai", "v1")),
        ("/openai/v1/threads", None, None, Dialect("azure")),
        ("/openai/v1/threads", "preview", None, Dialect("azure", "v2", "preview")),
        ("/openai/threads", "2024-05-01-preview", "assistants=v1", Dialect("azure", "v2", "2024-05-01-preview")),
        ("/openai/threads", "2024-02-15-preview", "assistants=v2", Dialect("azure", "v1", "2024-02-15-preview")),
        ("/openai/threads", "2024-10-21", None, Dialect("azure", "v2", "2024-10-21")),
        ("/openai/threads", "2025-04-01-preview", None, Dialect("azure", "v2", "2025-04-01-preview")),
    ],
)
def test_the_dialect_of_a_request(path: str, api_version: str | None, beta: str | None, dialect: Dialect) -> None:
    assert choose(path, api_version=api_version, beta=beta) == dialect


@pytest.mark.parametrize(
    "api_version", [None, "", "2023-05-15", "2024-02-01", "v1", "2024-05-01-preview-x", "2024"]
)
def test_classic_azure_needs_a_version_that_had_assistants(api_version: str | None) -> None:
    with pytest.raises(UnknownApiVersion):
        choose("/openai/threads", api_version=api_version, beta="assistants=v2")


CODE = [{"type": "code_interpreter"}]


@pytest.mark.parametrize(
    ("kind", "body", "canonical"),
    [
        (
            "assistant",
            {"tool_resources": {"code interpreter": {"file_ids": ["file-1"]}, "file_search": {}}},
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}, "file_search": {}}},
        ),
        ("assistant", {"file_ids": ["file-1"]}, {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}}),
        ("thread", {"tool_resources": {"code interpreter": {}}}, {"tool_resources": {"code_interpreter": {}}}),
        (
            "message",
            {"role": "user", "file_ids": ["file-1"], "attachments": [{"file_id": "file-0"}]},
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
        ("message", {"file_ids": "file-1"}, {"file_ids": "file-1"}),
        ("thread", {"messages": 5}, {"messages": 5}),
        ("thread", {"messages": [5, None]}, {"messages": [5, None]}),
        ("run", [1], [1]),
    ],
)
def test_what_the_vendors_published_is_understood(kind: Kind, body: Any, canonical: Any) -> None:
    assert upgrade(kind, body) == canonical


def test_the_canonical_spelling_wins_over_the_misspelt() -> None:
    both = {"tool_resources": {"code interpreter": {}, "code_interpreter": {"file_ids": ["file-1"]}}}
    assert upgrade("assistant", both) == {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}}


def test_a_body_is_not_changed_in_place() -> None:
    body = {"messages": [{"file_ids": ["file-1"]}]}
    upgrade("thread", body)
    assert body == {"messages": [{"file_ids": ["file-1"]}]}


def test_v1_clients_find_their_file_ids() -> None:
    v1 = Dialect("azure", "v1")
    assistant = {"object": "assistant", "tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}}
    message = {"object": "thread.message", "attachments": [{"file_id": "file-1", "tools": CODE}]}
    assert downgrade(v1, assistant)["file_ids"] == ["file-1"]
    assert downgrade(v1, {"object": "assistant", "tool_resources": {}})["file_ids"] == []
    assert downgrade(v1, message)["file_ids"] == ["file-1"]
    assert downgrade(Dialect(), message) == message
