"""A multipart body, part by part as it arrives: nothing is held but what the network just brought.

The parser pushes, the reader pulls: a part's bytes are drawn from the request only as fast as they are stored.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from kernelci.errors import InvalidRequest, TooLarge

_EXTENDED_NAME = re.compile(rb"filename\*=utf-8''([^;\s]+)", re.IGNORECASE)


class Multipart:
    """The parts of a body that may have `limit` bytes in all.

    Raises, from whatever reads it:
        InvalidRequest: it is not multipart, or breaks off.
        TooLarge: it is over the limit.
    """

    def __init__(self, content_type: str, arriving: AsyncIterator[bytes], limit: int) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise InvalidRequest("A file is uploaded as multipart/form-data, with a boundary.")
        self._arriving = arriving
        self._delimiter = b"\r\n--" + options[b"boundary"]
        self._before: bytes | None = b"\r\n"  # of the first boundary; None once that has come
        self._left = limit
        self._seen: deque[Part | bytes | None] = deque()  # None is where a part ends
        self._whole = False
        self._field = self._value = b""
        self._disposition = b""
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_header_field": self._on_field,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_part,
                    "on_part_data": lambda data, start, end: self._seen.append(data[start:end]),
                    "on_part_end": lambda: self._seen.append(None),
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _broken(error) from None

    async def next_part(self) -> Part | None:
        """The next part, past what is left of the one before; None after the last."""
        while self._seen or not self._whole:
            seen = await self._next()
            if isinstance(seen, Part):
                return seen
        return None

    async def next_chunk(self) -> bytes | None:
        """More of the part that was begun last; None at its end."""
        seen = await self._next()
        return seen if isinstance(seen, bytes) else None

    async def _next(self) -> Part | bytes | None:
        while not self._seen:
            if self._whole:
                return None
            await self._feed()
        return self._seen.popleft()

    async def _feed(self) -> None:
        chunk = await anext(self._arriving, b"")
        if not chunk:
            raise _broken("it ends before its last boundary")
        self._left -= len(chunk)
        if self._left < 0:
            raise TooLarge
        try:
            self._parser.write(self._from_first_boundary(chunk))
        except FormParserError as error:
            raise _broken(error) from None

    def _from_first_boundary(self, chunk: bytes) -> bytes:
        """The bytes without what is before the first boundary: anything may stand there, for nobody (RFC 2046)."""
        if self._before is None:
            return chunk
        come = self._before + chunk
        at = come.find(self._delimiter)
        self._before = None if at >= 0 else come[-len(self._delimiter) :]
        return come[at + len(b"\r\n") :] if at >= 0 else b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _on_part(self) -> None:
        self._seen.append(Part(self, self._disposition))
        self._disposition = b""

    def _on_end(self) -> None:
        self._whole = True


class Part:
    """One part: its field's name, its file's name if it has one, and its bytes, to be read before the next part."""

    def __init__(self, body: Multipart, disposition: bytes) -> None:
        _, options = parse_options_header(disposition)
        self.name = options.get(b"name", b"").decode(errors="replace")
        self.filename = _filename(options.get(b"filename"), disposition)
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, as they arrive."""
        while (chunk := await self._body.next_chunk()) is not None:
            yield chunk

    async def text(self, limit: int) -> str:
        """The bytes as text.

        Raises:
            InvalidRequest: there are more than `limit`.
        """
        whole = b""
        async for chunk in self.chunks():
            whole += chunk
            if len(whole) > limit:
                raise InvalidRequest(f"The field '{self.name[:64]}' is too long.", param=self.name[:64])
        return whole.decode(errors="replace")


def _filename(plain: bytes | None, disposition: bytes) -> str | None:
    """The file's name as given; some clients put one that is not ASCII into `filename*` alone."""
    extended = _EXTENDED_NAME.search(disposition)
    if extended:
        return unquote(extended[1].decode("latin-1"), errors="replace")
    if plain is None:
        return None
    # Browsers and SDKs write these three so, where they would end the name: `דו"ח` is the Hebrew for report.
    name = plain.decode(errors="replace")
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _broken(why: object) -> InvalidRequest:
    return InvalidRequest(f"We could not parse the multipart body of your request: {why}.")
