"""Whatever is asked for, of whatever path, the answer is the API's: its own object, or an envelope with a 4xx.

The test client judges what is answered. The paths are the table's own, so that a new one is tried here by itself.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.api.routes import PATHS
from kernelci.protocol import requests, uploads
from tests.api.test_assistants import make
from tests.api.test_threads import say, thread

OLD_AND_NESTED = {"file_ids", "code interpreter", "type", "text", "image_file", "image_url", "url", "function"}
NAMED = {**vars(requests), **vars(uploads)}
BODIES = [body for body in NAMED.values() if isinstance(body, type) and issubclass(body, requests.Body)]
FIELDS = sorted(OLD_AND_NESTED.union(*(body.model_fields for body in BODIES)))
PLAUSIBLE = [
    *("user", "auto", "asst_1", "file-1", "code_interpreter", "retrieval", "file_search", "function", "text"),
    *("json_schema", "none", "required", "", "x" * 600),
]
DIALECTS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("/v1", {"openai-beta": "assistants=v2"}, {}),
    ("/v1", {"openai-beta": "assistants=v1"}, {}),
    ("/openai", {}, {"api-version": "2024-02-15-preview"}),
    ("/openai/v1", {}, {}),
]
MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n'

json_values = st.recursive(
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
likely_fields = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5)
form_fields = st.sampled_from([b"file", b"purpose", b"data", b"expires_after[anchor]", b""])
forms = st.lists(st.tuples(form_fields, st.binary(max_size=20)), max_size=4).map(
    lambda parts: b"".join(PART % part for part in parts) + b"--b--\r\n"
)
kinds = st.sampled_from(["application/json", MULTIPART, "text/plain", "multipart/form-data"])
contents = (
    st.tuples(json_values.map(lambda value: json.dumps(value).encode()), st.just("application/json"))
    | st.tuples(forms, st.just(MULTIPART))
    | st.tuples(st.binary(max_size=60), kinds)
)
unhurried = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
async def ids(api: httpx2.AsyncClient) -> dict[str, str]:
    """Objects that there are, by the names that paths have for them."""
    made = await thread(api)
    assistant = await make(api, tools=[{"type": "code_interpreter"}])
    file = await api.post("/v1/files", files={"file": ("x", b"x"), "purpose": (None, "assistants")})
    begun = {"bytes": 6, "filename": "a.csv", "mime_type": "text/csv", "purpose": "assistants"}
    upload = await api.post("/v1/uploads", json=begun)
    return {
        "thread_id": made["id"],
        "message_id": (await say(api, made["id"]))["id"],
        "assistant_id": assistant["id"],
        "file_id": file.json()["id"],
        "upload_id": upload.json()["id"],
        "run_id": "run_1",
    }


@pytest.mark.parametrize("path", sorted(path for path, verbs in PATHS.items() if "POST" in verbs))
@given(dialect=st.sampled_from(DIALECTS), extra=likely_fields, content=st.none() | contents)
@unhurried
async def test_whatever_is_posted_is_answered_in_kind(
    api: httpx2.AsyncClient,
    ids: dict[str, str],
    path: str,
    dialect: tuple[str, dict[str, str], dict[str, str]],
    extra: dict[str, Any],
    content: tuple[bytes, str] | None,
) -> None:
    needed = {"assistant_id": ids["assistant_id"], "model": "m", "role": "user", "content": "x"}
    likely = json.dumps({**needed, **extra}).encode(), "application/json"
    sent, kind = content or likely
    base, headers, query = dialect
    url = base + filled(path, ids)
    own(await api.post(url, content=sent, headers={**headers, "content-type": kind}, params=query))


@pytest.mark.parametrize("path", sorted(path for path, verbs in PATHS.items() if "GET" in verbs))
@given(
    dialect=st.sampled_from(DIALECTS),
    query=st.dictionaries(
        st.sampled_from(["limit", "order", "after", "before", "run_id", "purpose", "include[]", "include"]),
        st.text(max_size=8) | st.sampled_from(["asc", "5", "101", "-1", "assistants"]),
    ),
)
@unhurried
async def test_whatever_is_looked_for_is_answered_in_kind(
    api: httpx2.AsyncClient,
    ids: dict[str, str],
    path: str,
    dialect: tuple[str, dict[str, str], dict[str, str]],
    query: dict[str, str],
) -> None:
    base, headers, version = dialect
    own(await api.get(base + filled(path, ids), params={**query, **version}, headers=headers))


@pytest.mark.parametrize("path", sorted(PATHS))
@given(id=st.text(min_size=1, max_size=12), method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "OPTIONS"]))
@unhurried
async def test_any_id_and_method_is_answered_in_kind(
    api: httpx2.AsyncClient, path: str, id: str, method: str
) -> None:
    for base in ("/v1", "/openai/v1"):
        url = re.sub(r"{(\w+)(:path)?}", quote(id, safe=""), path)
        own(await api.request(method, base + url))


@given(path=st.text(max_size=12), method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "OPTIONS"]))
@unhurried
async def test_any_path_is_answered_in_kind(api: httpx2.AsyncClient, path: str, method: str) -> None:
    for base in ("/", "/v1/", "/v1/threads/", "/v1/files/", "/v1/models/", "/openai/v1/assistants/asst_"):
        own(await api.request(method, base + quote(path, safe="")))


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with ids of objects that there are, and otherwise with some that there are not."""
    return re.sub(r"{(\w+?)(:path)?}", lambda name: ids.get(name[1], f"{name[1].removesuffix('_id')}_1"), path)


def own(response: httpx2.Response) -> None:
    """The answer is one of ours; that it is in the right form the client has seen to."""
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
