"""The judge itself: no answer passes because of its kind."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.contract.judged import judging, judging_async


@contextmanager
def answering(status: int, kind: str) -> Generator[str]:
    """A server that answers anything with this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(b"{}")

        log_message: Callable[..., None] = staticmethod(lambda *_: None)

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/threads/thread_1", 200, "text/html; charset=utf-8"),
        ("/threads/thread_1", 200, "application/octet-stream"),
        ("/threads/thread_1", 200, "application/json"),
        ("/threads/thread_1", 500, "text/plain"),
        ("/files/file-1/content", 200, "image/png"),
        ("/files/file-1/content", 404, "application/octet-stream"),
    ],
)
async def test_a_wrong_answer_does_not_pass_whatever_its_kind(path: str, status: int, kind: str) -> None:
    with answering(status, kind) as base, judging() as client, pytest.raises(AssertionError):
        client.get(base + path)
    with answering(status, kind) as base:
        async with judging_async() as client:
            with pytest.raises(AssertionError):
                await client.get(base + path)


def test_a_files_bytes_are_what_they_are() -> None:
    with answering(200, "application/octet-stream") as base, judging() as client:
        assert client.get(f"{base}/files/file-1/content").content == b"{}"
