"""Bodies over a real connection: too large ones, interrupted ones, and the connection afterwards."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.contract.conftest import sdk_of

HEAD = """\
POST /v1/files HTTP/1.1\r
Host: 127.0.0.1\r
Content-Type: multipart/form-data; boundary=b\r
Content-Length: {length}\r
{more}\r
"""
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


def connected(server: str) -> socket.socket:
    url = urlsplit(server)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=20)


def test_a_file_over_the_limit_is_refused_and_the_client_can_go_on(small_server: str) -> None:
    with sdk_of(small_server) as client:
        for size in (1_500_000, 20_000_000):
            with pytest.raises(openai.APIStatusError) as refused:
                client.files.create(file=("x", b"x" * size), purpose="assistants")
            assert refused.value.status_code == 413
        assert client.files.create(file=("x", b"x" * 1_000_000), purpose="assistants").bytes == 1_000_000
        assert len(client.files.list().data) == 1


def test_a_client_that_asks_first_is_told_before_it_sends(small_server: str) -> None:
    with connected(small_server) as connection:
        connection.sendall(HEAD.format(length=10**9, more="Expect: 100-continue\r\n").encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_the_sdk_uploads_in_parts(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"0123456789" * 100_000)
    upload = client.uploads.upload_file_chunked(
        file=path, mime_type="text/csv", purpose="assistants", part_size=300_000
    )
    assert (upload.status, upload.file.bytes, upload.file.filename) == ("completed", 1_000_000, "large.csv")
    assert client.files.content(upload.file.id).read() == path.read_bytes()
    begun = client.uploads.create(bytes=6, filename="x", mime_type="text/plain", purpose="user_data")
    with ThreadPoolExecutor() as threads:  # the later part is the smaller one, and may be there first
        parts = list(threads.map(lambda data: client.uploads.parts.create(begun.id, data=data), (b"abcd", b"ef")))
    whole = client.uploads.complete(begun.id, part_ids=[part.id for part in parts])
    assert client.files.content(whole.file.id).read() == b"abcdef"
    cancelled = client.uploads.cancel(
        client.uploads.create(bytes=6, filename="x", mime_type="", purpose="vision").id
    )
    assert cancelled.status == "cancelled"


def test_an_upload_that_breaks_off_leaves_nothing(small_server: str, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    with connected(small_server) as connection, httpx2.Client(base_url=small_server) as client:
        connection.sendall(HEAD.format(length=500_000, more="").encode() + START + b"x" * 100_000)
        while not list(blobs.glob(".incoming-*")):
            client.get("/healthz")
        connection.close()
        while list(blobs.iterdir()):
            client.get("/healthz")
        assert client.get("/v1/files").json()["data"] == []


def test_a_download_can_be_resumed(small_server: str) -> None:
    with httpx2.Client() as client:
        file = client.post(
            f"{small_server}/v1/files", files={"file": ("x", bytes(range(256))), "purpose": (None, "assistants")}
        ).json()
        url = f"{small_server}/v1/files/{file['id']}/content"
        part = client.get(url, headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        head = client.head(url)
        assert (head.headers["content-length"], head.content) == ("256", b"")
