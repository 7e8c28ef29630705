"""Clients' transports that judge whatever a real server answers, as far as it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2

from tests.api.oracle import judge_whole, judged_events, version_of

JUDGED = ("application/json", "text/event-stream")


def judging() -> httpx2.Client:
    """A client that lets no wrong answer pass."""
    return httpx2.Client(transport=_Judged(), trust_env=False, timeout=60)


def judging_async() -> httpx2.AsyncClient:
    """The same, asynchronous."""
    return httpx2.AsyncClient(transport=_JudgedAsync(), trust_env=False, timeout=60)


def _is_judged(response: httpx2.Response, request: httpx2.Request) -> bool:
    """Whether it is an answer of the API; all that it gives besides are the bytes of files."""
    kind = response.headers.get("content-type", "")
    if kind.startswith(JUDGED):
        return True
    of_file = response.status_code == 200 and request.url.path.endswith("/content")
    assert of_file and kind == "application/octet-stream", f"{request.url.path} is answered with {kind!r}"
    return False


class _Judged(httpx2.HTTPTransport):
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if _is_judged(response, request):
            response.stream = _Heard(response, request)
        return response


class _JudgedAsync(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if _is_judged(response, request):
            response.stream = _HeardAsync(response, request)
        return response


class _Answer:
    """What has been read of an answer: handed on as it comes, judged when the client is done with it."""

    def __init__(self, response: httpx2.Response, request: httpx2.Request) -> None:
        self.stream = response.stream
        self.read: list[bytes] = []
        self.is_whole = False
        self._like = {"status_code": response.status_code, "headers": response.headers, "request": request}

    def judge(self) -> None:
        body, self.read = b"".join(self.read), []
        if self.is_whole:
            judge_whole(httpx2.Response(**self._like, content=body))
        elif self._like["headers"]["content-type"].startswith("text/event-stream"):
            # The SDK stops at `[DONE]`, and some readers before: what came is in whole frames.
            frames = body.decode().rpartition("\n\n")[0]
            list(judged_events(frames, version_of(self._like["request"])))


class _Heard(_Answer, httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.stream:
            self.read.append(chunk)
            yield chunk
        self.is_whole = True

    def close(self) -> None:
        self.stream.close()
        self.judge()


class _HeardAsync(_Answer, httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.stream:
            self.read.append(chunk)
            yield chunk
        self.is_whole = True

    async def aclose(self) -> None:
        await self.stream.aclose()
        self.judge()
