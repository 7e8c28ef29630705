"""The script that fetches an export, from a service that means harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx2 as httpx
import pytest
from openai import OpenAI

from kernelci.imports.fetch import Fetch

OUTSIDE = ("../outside", "/tmp/outside", "..", "", "a/b", "a\\b", "a\0b", "\x1b[2J", ".hidden", "x" * 200)
FILE = {
    "object": "file",
    "created_at": 1,
    "bytes": 1,
    "filename": "a",
    "purpose": "assistants",
    "status": "processed",
}
THREAD = {"object": "thread", "created_at": 1, "metadata": {}}
RUN = {"object": "thread.run", "created_at": 1, "thread_id": "thread_1", "status": "completed", "tools": []}


def answer(request: httpx.Request) -> httpx.Response:
    """What is asked for, with ids that name other places."""
    path = unquote(request.url.path)
    if path.endswith("/content"):
        return httpx.Response(200, content=b"1")
    if path.endswith("/files"):
        return listed([FILE | {"id": id} for id in ("file-1", *OUTSIDE)])
    if path.endswith("/runs"):
        return listed([RUN | {"id": id} for id in ("run_1", *OUTSIDE)])
    if path.endswith("/thread_bad"):
        return httpx.Response(200, json=THREAD | {"id": "../thread"})
    if path.endswith("/thread_1"):
        return httpx.Response(200, json=THREAD | {"id": "thread_1"})
    return listed([])


def listed(data: list[dict]) -> httpx.Response:
    return httpx.Response(200, json={"object": "list", "data": data, "has_more": False})


@pytest.fixture
def service() -> Iterator[OpenAI]:
    http = httpx.Client(transport=httpx.MockTransport(answer))
    with OpenAI(base_url="http://service.invalid/v1", api_key="any", http_client=http) as client:
        yield client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_service_says_where_files_are_written(
    tmp_path: Path, service: OpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    assert Fetch(service, export).all(["thread_1", "thread_bad"]) == 2 * len(OUTSIDE) + 1
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "export/assistants.jsonl",
        "export/contents/file-1",
        "export/files.jsonl",
        "export/threads/thread_1/messages.jsonl",
        "export/threads/thread_1/runs.jsonl",
        "export/threads/thread_1/steps/run_1.jsonl",
        "export/threads/thread_1/thread.json",
    ]
    told = capsys.readouterr().err
    assert "../outside: a file cannot have that name" in told
    assert told.replace("\n", "").isprintable()
