"""Where a model is asked: a Chat Completions endpoint, and a client for it that depends on nothing else.

What goes there is what this project sends: no OPENAI_* variable changes it, nothing is told about this machine, a
redirect is not followed to a place that nobody was told of, and an answer without end does not fill the memory.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, Omit
from pydantic import SecretStr

from kernelci.errors import StartupError
from kernelci.settings import MEBIBYTE, is_loopback

logger = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds without a byte from the endpoint; a run's own deadline is usually nearer."""

LONGEST_ANSWER = 64 * MEBIBYTE
"""Bytes of one answer as it travels, where a token takes some hundred."""

_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
"""The last event of a stream, at the beginning of a line: no text in an event holds the line's end as it is."""

_LONGEST_DONE = 14

_NO_KEY = "none"  # the client insists on a key; endpoints without one do not look at it


class TooLong(Exception):
    """The endpoint's answer has more bytes than anyone could have asked for."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Chat Completions endpoint: its base URL, usually ending in /v1.

    `model` is asked whatever model an assistant names; None leaves it the assistant's. `program` is what serves
    it, where that is known.

    Raises:
        StartupError: the URL or the key cannot be one.
    """

    url: str
    model: str | None = None
    key: SecretStr | None = None
    program: str | None = None

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise StartupError("--model-url is no address of an endpoint, such as http://127.0.0.1:11434/v1.")
        if "@" in urlsplit(self.url).netloc:
            raise StartupError("--model-url must not hold a user or password; --model-key is the place for a key.")
        if not (self._secret.isascii() and self._secret.isprintable()):
            raise StartupError("--model-key holds characters that cannot be part of a key.")

    @property
    def host(self) -> str:
        """The endpoint's host, with its port where the URL has one."""
        return urlsplit(self.url).netloc

    @property
    def on_loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def _secret(self) -> str:
        return self.key.get_secret_value().strip() if self.key else ""

    def without_key(self, text: str) -> str:
        """The text with the key struck out, as some endpoints repeat it in their errors."""
        return text.replace(self._secret, "[key]") if self._secret else text

    def connect(self, *, patience: float = PATIENCE, retries: int = 2) -> AsyncOpenAI:
        """A client, to be closed by the caller. Nothing is sent yet.

        The proxies of the environment are used, except for this machine itself.

        Raises:
            StartupError: such a proxy is of a kind that cannot be used.
        """
        try:
            http = DefaultAsyncHttpx2Client(
                timeout=httpx2.Timeout(patience, connect=min(patience, 10.0)),
                trust_env=not self.on_loopback,
                follow_redirects=False,
                event_hooks={"request": [_note_retry], "response": [_bound]},
            )
        except (ImportError, ValueError):
            # Its address is not repeated: it may hold a password.
            raise StartupError("The proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is of no usable kind.") from None
        return _Client(
            base_url=self.url,
            api_key=self._secret or _NO_KEY,
            admin_api_key="",
            organization="",
            project="",
            webhook_secret="",
            max_retries=retries,
            http_client=http,
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        return False


class _Client(AsyncOpenAI):
    """The official client, with headers that neither the environment nor this machine has a part in."""

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "kernelci",
        }


async def _note_retry(request: httpx2.Request) -> None:
    attempt = int(request.headers.get("x-stainless-retry-count", "0"))
    if attempt:
        host = request.url.netloc.decode("ascii")
        logger.info("%s is asked again", host, extra={"action": "model_asked_again", "attempt": attempt})


async def _bound(response: httpx2.Response) -> None:
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Bounded(response.stream)


class Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error when it is longer than any answer.

    `done` is whether it said that it was at its end, `whole` what came as one object and no events. However often
    it is iterated, it is one walk through the answer. It is over when the body is closed: parts of it that wait to
    be collected as garbage could outlive the event loop.
    """

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self.done = False
        self.whole = bytearray()
        self._stream = stream
        self._pieces = aiter(stream)
        self._seen = 0
        self._last = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            self._seen += len(piece)
            if self._seen > LONGEST_ANSWER:
                raise TooLong
            self._note(piece)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
        with suppress(Exception):  # as there is nothing to be read any more
            async for _ in self._pieces:
                pass

    def _note(self, piece: bytes) -> None:
        if self.whole or (not self._last.strip() and piece.lstrip().startswith(b"{")):
            self.whole += piece
        self.done = self.done or _DONE.search(self._last + piece) is not None
        self._last = (self._last + piece)[-_LONGEST_DONE:]


def said_done(response: httpx2.Response) -> bool:
    """Whether an answer that has been read said that it was at its end."""
    return isinstance(response.stream, Bounded) and response.stream.done


def whole_of(response: httpx2.Response) -> object:
    """The object that came where events were asked for; None where none did.

    Raises:
        ValueError: it is none after all.
    """
    if isinstance(response.stream, Bounded) and response.stream.whole:
        return cast("object", json.loads(response.stream.whole))
    return None
