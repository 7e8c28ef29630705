"""What every response carries, and what errors become."""

from __future__ import annotations

import errno
import logging
import os
import re
import sqlite3
from contextlib import closing
from typing import Any

import httpx2
import pytest
from inline_snapshot import snapshot

from kernelci.engine.service import Service
from kernelci.errors import KernelUnavailable

AZURE = "/openai/assistants?api-version=2024-05-01-preview"


async def test_health_is_free_and_says_nothing_more(api: httpx2.AsyncClient) -> None:
    response = await api.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_store_that_does_not_answer_is_no_health(service: Service, api: httpx2.AsyncClient) -> None:
    with closing(sqlite3.connect(service.settings.data_dir / "kernelci.db")) as database:
        database.execute("DROP TABLE threads")
    response = await api.get("/healthz")
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "The server's store does not answer. Its log says why."


async def test_every_response_has_an_id_and_a_time(api: httpx2.AsyncClient) -> None:
    for path, form in {
        "/v1/assistants": r"req_[0-9a-f]{32}",
        "/v1/nothing": r"req_[0-9a-f]{32}",
        AZURE: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    }.items():
        headers = (await api.get(path)).headers
        assert re.fullmatch(form, headers["x-request-id"])
        assert headers["openai-version"] == "2020-10-01"
        assert headers["openai-processing-ms"].isdecimal()
        assert not [name for name in headers if name.startswith("access-control")]


async def test_no_answer_is_run_as_a_page(api: httpx2.AsyncClient) -> None:
    page = b"<html><script>alert(1)</script>"
    made = await api.post("/v1/files", files={"file": ("evil.html", page)}, data={"purpose": "assistants"})
    content = await api.get(f"/v1/files/{made.json()['id']}/content")
    assert content.content == page
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["content-disposition"] == 'attachment; filename="evil.html"'
    for response in (content, made, await api.get("/v1/<script>"), await api.get("/healthz")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["cache-control"] == "no-store"


async def test_unknown_paths_and_methods_are_refused_in_the_envelope(api: httpx2.AsyncClient) -> None:
    unknown = await api.post("/v1/xyz")
    assert (unknown.status_code, unknown.json()) == snapshot(
        (
            404,
            {
                "error": {
                    "message": "Invalid URL (POST /v1/xyz)",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
            },
        )
    )
    method = await api.put("/v1/threads/thread_1")
    assert (method.status_code, method.json()) == snapshot(
        (
            405,
            {
                "error": {
                    "message": "Not allowed to PUT on /v1/threads/thread_1.",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "method_not_supported",
                }
            },
        )
    )
    assert set(method.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}
    for path in ("/", "/v1", "/v1/threads/", "/v1/threads", "/favicon.ico"):
        assert (await api.get(path)).json()["error"]["type"] == "invalid_request_error"


async def test_classic_azure_without_a_known_version_is_refused_by_its_gateway(api: httpx2.AsyncClient) -> None:
    for path in ("/openai/assistants", "/openai/assistants?api-version=2023-05-15"):
        response = await api.get(path)
        assert (response.status_code, response.json()) == (
            404,
            {"error": {"code": "404", "message": "Resource not found"}},
        )
    assert (await api.get("/openai/v1/assistants")).status_code == 200


async def test_a_bug_is_logged_and_its_innards_stay_here(
    service: Service, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(type(service.store), "page", broken)
    with caplog.at_level(logging.ERROR, "kernelci"):
        response = await api.get("/v1/assistants")
    assert (response.status_code, response.json()) == snapshot(
        (
            500,
            {
                "error": {
                    "message": "The server had an error while processing your request. Sorry about that!",
                    "type": "server_error",
                    "param": None,
                    "code": None,
                }
            },
        )
    )
    assert response.headers["x-should-retry"] == "false"
    (record,) = caplog.records
    assert record.exc_info
    assert record.__dict__["action"] == "request_failed"


@pytest.mark.parametrize("how", ["a file", "the database"])
async def test_a_full_disk_is_told_as_that(
    how: str, service: Service, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        if how == "a file":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/path")
        with sqlite3.connect(":memory:") as database:
            database.execute("PRAGMA max_page_count = 2")
            try:
                database.execute("CREATE TABLE one AS SELECT zeroblob(100000) AS much")
            except sqlite3.Error as error:
                raise RuntimeError("as an object mapper wraps it") from error

    monkeypatch.setattr(type(service.store), "page", full)
    response = await api.get("/v1/assistants")
    assert response.status_code == 507
    assert response.json()["error"] == snapshot(
        {
            "message": "The server's disk is full. Deleting threads and files makes room, or whoever runs it can.",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    )
    assert response.headers["x-should-retry"] == "false"


async def test_a_failure_of_ours_is_told_in_its_own_words(
    service: Service, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any) -> None:
        raise KernelUnavailable("No kernel.")

    monkeypatch.setattr(type(service.store), "page", failing)
    response = await api.get("/v1/assistants")
    assert (response.status_code, response.json()["error"]["message"]) == (500, "No kernel.")
    assert response.headers["x-should-retry"] == "false"


async def test_azures_responses_carry_azures_headers(api: httpx2.AsyncClient) -> None:
    own = {"x-ms-client-request-id": "4c2b7d2e-own"}
    for path in (AZURE, "/openai/nothing?api-version=2024-05-01-preview", "/openai/v1/assistants"):
        headers = (await api.get(path, headers=own)).headers
        assert headers["x-ms-client-request-id"] == "4c2b7d2e-own"
        assert len({headers["apim-request-id"], headers["x-request-id"]}) == 2
        assert headers["x-ms-region"]
    assert "apim-request-id" not in (await api.get("/v1/assistants", headers=own)).headers
    assert "x-ms-client-request-id" not in (await api.get(AZURE)).headers


@pytest.mark.parametrize("path", ["/openai/nothing?api-version=2024-05-01-preview", "/openai/v1/nothing"])
async def test_what_azures_gateway_does_not_know_it_refuses_itself(api: httpx2.AsyncClient, path: str) -> None:
    unknown = await api.post(path)
    assert unknown.status_code == 404
    assert unknown.json() == {"error": {"code": "404", "message": "Resource not found"}}


async def test_what_the_api_behind_the_gateway_refuses_is_in_its_own_envelope(api: httpx2.AsyncClient) -> None:
    for path in ("/openai/v1/assistants/asst_1", "/openai/threads/thread_1?api-version=2024-05-01-preview"):
        refused = (await api.get(path)).json()
        assert refused["error"].keys() == {"message", "type", "param", "code"}
