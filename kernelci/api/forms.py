"""A form with one file in it: the file goes straight to its place, the fields are read as a body."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kernelci.api.multipart import Multipart
from kernelci.api.request import ApiRequest, announced
from kernelci.engine.ports.blobs import TooManyBytes
from kernelci.errors import InvalidRequest, TooLarge

KeptT = TypeVar("KeptT")

_AROUND = 1024 * 1024
"""Bytes of a request around its file: boundaries, headers, the other fields."""

_LONGEST_FIELD = 4096
_MOST_PARTS = 64
_WITHIN = re.compile(r"(\w+)\[(\w+)\]")


@dataclass(slots=True)
class Form(Generic[KeptT]):
    """What has come: `fields` as JSON would have them, and what the file became."""

    fields: dict[str, object] = field(default_factory=dict[str, object])
    filename: str | None = None
    kept: KeptT | None = None


async def receive(
    request: ApiRequest,
    form: Form[KeptT],
    name: str,
    keep: Callable[[AsyncIterator[bytes]], Awaitable[KeptT]],
    limit: int,
) -> KeptT:
    """Fill the form; gives what its file became. That is in the part of this name, and may have `limit` bytes.

    Raises:
        InvalidRequest: it is not a form, or has no file, or something is too large; `form.kept` may be there yet.
    """
    if announced(request) > limit + _AROUND:
        raise _too_large(name, limit)
    body = Multipart(request.headers.get("content-type", ""), request.stream(), limit + _AROUND)
    parts = 0
    while part := await body.next_part():
        parts += 1
        if parts > _MOST_PARTS:
            raise InvalidRequest(f"The form has more than {_MOST_PARTS} parts.")
        if part.name == name and form.kept is None:
            form.filename = part.filename
            try:
                form.kept = await keep(part.chunks())
            except TooManyBytes:
                raise _too_large(name, limit) from None
        elif part.name != name:
            _set(form.fields, part.name, await part.text(_LONGEST_FIELD))
    if form.kept is None:
        raise InvalidRequest(
            f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
        )
    return form.kept


def _set(fields: dict[str, object], name: str, value: str) -> None:
    """Add a field; the name of one within another is written `outer[inner]`."""
    within = _WITHIN.fullmatch(name)
    if within is None:
        fields[name] = value
        return
    outer = fields.setdefault(within[1], {})
    if isinstance(outer, dict):
        outer[within[2]] = value


def _too_large(name: str, limit: int) -> TooLarge:
    return TooLarge(f"The {name} is larger than {limit} bytes, which is the most this server accepts.", param=name)
