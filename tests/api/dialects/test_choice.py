"""Which dialect a request speaks."""

from __future__ import annotations

import pytest

from kernelci.api.dialects.choice import Dialect, MissingBeta, UnknownApiVersion, choose


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


@pytest.mark.parametrize(
    ("path", "beta", "refused"),
    [
        ("/v1/threads", None, True),
        ("/v1/assistants/asst_1", "realtime=v1", True),
        ("/openai/v1/threads/runs", "assistants=v3", True),
        ("/v1/threads", "assistants=v2", False),
        ("/openai/v1/threads", "assistants=v1", False),
        ("/v1/files", None, False),
        ("/openai/v1/models", None, False),
    ],
)
def test_the_header_must_name_a_version_where_the_server_is_strict(
    path: str, beta: str | None, refused: bool
) -> None:
    if refused:
        with pytest.raises(MissingBeta, match="You must provide the 'OpenAI-Beta' header"):
            choose(path, api_version=None, beta=beta, strict=True)
    else:
        assert choose(path, api_version=None, beta=beta, strict=True).strict


def test_classic_azure_needs_no_header_however_strict() -> None:
    version = "2024-05-01-preview"
    chosen = choose("/openai/threads", api_version=version, beta=None, strict=True)
    assert chosen == Dialect("azure", "v2", version, strict=True)
