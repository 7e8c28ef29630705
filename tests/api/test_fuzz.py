"""Whatever is posted, the answer is the API's: an object of its own, or its envelope with a 4xx."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.api.routes import PATHS
from kernelci.protocol import requests
from tests.api.oracle import judged
from tests.api.test_assistants import make
from tests.api.test_threads import say, thread

POSTS = sorted(path for path, verbs in PATHS.items() if "POST" in verbs and path != "/files")
FIELDS = sorted(
    {
        "file_ids",
        "type",
        "text",
        "image_file",
        "image_url",
        "url",
        "function",
        "parameters",
        "code interpreter",
    }.union(
        *(
            body.model_fields
            for body in vars(requests).values()
            if isinstance(body, type) and hasattr(body, "model_fields")
        )
    )
)
PLAUSIBLE = [
    "user",
    "auto",
    "asst_1",
    "file-1",
    "code_interpreter",
    "function",
    "text",
    "json_schema",
    "",
    "x" * 600,
]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(PLAUSIBLE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture
async def ids(api: httpx2.AsyncClient) -> dict[str, str]:
    """Objects that there are, by the names that paths have for them."""
    made = await thread(api)
    assistant = await make(api, tools=[{"type": "code_interpreter"}])
    return {
        "thread_id": made["id"],
        "message_id": (await say(api, made["id"]))["id"],
        "assistant_id": assistant["id"],
        "run_id": "run_1",
    }


@pytest.mark.parametrize("path", POSTS)
@given(body=values, extra=st.dictionaries(st.sampled_from(FIELDS), values, max_size=5), whole=st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_json_is_answered_in_kind(
    api: httpx2.AsyncClient, ids: dict[str, str], path: str, body: Any, extra: dict[str, Any], whole: bool
) -> None:
    needed = {"assistant_id": ids["assistant_id"], "model": "m", "role": "user", "content": "x"}
    sent = body if whole else {**needed, **extra, "stream": False}
    response = await api.post("/v1" + path.format(**ids), content=json.dumps(sent))
    _own(response)


@given(
    query=st.dictionaries(st.sampled_from(["limit", "order", "after", "before", "run_id", "purpose"]), st.text())
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_query_is_answered_in_kind(
    api: httpx2.AsyncClient, ids: dict[str, str], query: dict[str, str]
) -> None:
    for path in ("/v1/assistants", "/v1/files", f"/v1/threads/{ids['thread_id']}/messages"):
        _own(await api.get(path, params=query))


@given(path=st.text(max_size=12), method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "OPTIONS"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_path_is_answered_in_kind(api: httpx2.AsyncClient, path: str, method: str) -> None:
    for base in ("/v1/", "/v1/threads/", "/v1/files/", "/v1/models/", "/openai/v1/assistants/asst_"):
        _own(await api.request(method, base + quote(path, safe="")))


def _own(response: httpx2.Response) -> None:
    if response.status_code == 200:
        judged(response.json())
        return
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}
