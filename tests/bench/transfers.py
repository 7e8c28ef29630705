"""A large file up and down, at once and in parts, beside `cp` and a hash: `python -m tests.bench transfers`.

The client is as light as one can be, so that the figures are the server's.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.served import Served, served

MEBIBYTE = 1024 * 1024
SIZE = 512 * MEBIBYTE
PART = 64 * MEBIBYTE
BOUNDARY = "b0b0b0b0b0b0b0b0"


def measure(rounds: int) -> None:
    """Measure and print."""
    up, parts = Figure("kernelci: upload of 512 MiB"), Figure("kernelci: the same in parts of 64 MiB")
    down, plain = Figure("kernelci: download"), Figure("cp and SHA-256")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder, "data")) as server:
        client = Client(server)
        growth = 0
        for round, label in interleaved(rounds, "plain", "up", "down", "parts"):
            source, target = Path(folder, "source"), Path(folder, "target")
            target.unlink(missing_ok=True)
            if label == "plain":
                write_random(source, SIZE)
                before = server.memory()
                with plain.timed():
                    copy_and_hash(source, target)
                continue
            server.forget_peak()
            if label == "up":
                with up.timed():
                    file = client.upload(source)
            elif label == "down":
                with down.timed():
                    client.download(file, target)
                assert target.stat().st_size == SIZE
            else:
                client.delete(file)
                with parts.timed():
                    file = client.upload_in_parts(source)
                client.delete(file)
            if round:  # in the first, the server loads what it needs from then on
                growth = max(growth, server.peak() - before)
    for figure in (up, parts, down):
        print_pair(figure.name, figure, plain)
    print(f"\n  the server's memory grew by {growth / MEBIBYTE:.1f} MiB at most")


def write_random(path: Path, size: int) -> None:
    """Make a file that nothing can compress or share."""
    with path.open("wb") as file:
        for _ in range(size // MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
        file.flush()
        os.fsync(file.fileno())


def copy_and_hash(source: Path, target: Path) -> None:
    """What a transfer is measured against."""
    subprocess.run(["cp", source, target], check=True)
    with target.open("rb") as file:
        hashlib.file_digest(file, "sha256")


class Client:
    """Speaks to a server, on a new connection each time."""

    def __init__(self, server: Served) -> None:
        self._connection = http.client.HTTPConnection(*server.address, timeout=600, blocksize=MEBIBYTE)

    def upload(self, source: Path) -> str:
        """`POST /files`; gives the file's id."""
        with source.open("rb") as file:
            sent = form(file, "file", SIZE, purpose="assistants")
            return self._answer("POST", "/v1/files", *sent)["id"]

    def upload_in_parts(self, source: Path) -> str:
        """`POST /uploads`, its parts one after the other, and their completion; gives the file's id."""
        begun = {"bytes": SIZE, "filename": "large", "mime_type": "text/csv", "purpose": "assistants"}
        upload = self._json("/v1/uploads", begun)["id"]
        ids: list[str] = []
        with source.open("rb") as file:
            for _ in range(SIZE // PART):
                part = self._answer("POST", f"/v1/uploads/{upload}/parts", *form(file, "data", PART))
                ids += [part["id"]]
        return self._json(f"/v1/uploads/{upload}/complete", {"part_ids": ids})["file"]["id"]

    def download(self, file_id: str, target: Path) -> None:
        """`GET /files/{id}/content`, into a file."""
        response = self._response("GET", f"/v1/files/{file_id}/content")
        assert response.status == 200
        buffer = memoryview(bytearray(MEBIBYTE))
        with target.open("wb", buffering=0) as file:
            while count := response.readinto(buffer):
                file.write(buffer[:count])
        self._connection.close()

    def delete(self, file_id: str) -> None:
        """`DELETE /files/{id}`."""
        self._answer("DELETE", f"/v1/files/{file_id}")

    def _json(self, path: str, body: object) -> dict[str, Any]:
        return self._answer("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def _answer(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        response = self._response(method, path, body, headers)
        answer = response.read()
        self._connection.close()  # the server would hang up while something else is measured
        assert response.status == 200, answer
        return json.loads(answer)

    def _response(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        self._connection.request(method, path, body, headers or {})
        return self._connection.getresponse()


def form(file: BinaryIO, name: str, size: int, **fields: str) -> tuple[Iterator[bytes], dict[str, str]]:
    """So many bytes of a file as a multipart body, after the other fields; and its headers."""
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    head += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="large"\r\n\r\n'
    end = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head.encode()
        for _ in range(size // MEBIBYTE):
            yield file.read(MEBIBYTE)
        yield end

    length = len(head) + size + len(end)
    return body(), {
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": str(length),
    }
