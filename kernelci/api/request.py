"""What an endpoint gets and gives: the service and the dialect of a request, its body and query, its answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypedDict, TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from kernelci.api.dialects.choice import Dialect
from kernelci.api.dialects.objects import downgrade
from kernelci.api.dialects.requests import Kind, upgrade
from kernelci.api.json_text import json_bytes, parsed
from kernelci.api.paging import listing
from kernelci.api.validation import check
from kernelci.engine.ports.store import Paged
from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest, TooLarge
from kernelci.protocol.objects import Object
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.requests import Body

BodyT = TypeVar("BodyT", bound=Body)
ObjectT = TypeVar("ObjectT", bound=Object)

MAX_JSON = 8 * 1024 * 1024
"""Bytes of a JSON body; thirty messages of the longest kind. Files come as multipart and have their own limit."""

LONG = 64 * 1024
"""Bytes of a body from which on it is read in a worker thread: of the longest, that may take seconds."""

_INCLUDE = ("include", "include[]")
"""The two spellings of the one parameter that is a list."""


class State(TypedDict):
    """What a request carries: the lifespan puts in the service, the middleware the dialect."""

    service: Service
    dialect: Dialect


ApiRequest = Request[State]


async def read_body(request: ApiRequest, model: type[BodyT], kind: Kind | None = None) -> BodyT:
    """The request's body. `kind` is what it describes, where older dialects describe it differently.

    Raises:
        InvalidRequest: it is not JSON, or not that body.
        TooLarge: it is over `MAX_JSON`.
    """
    raw = await _read(request)
    understand = partial(_understood, raw, model, kind, request.state["dialect"])
    return await to_thread.run_sync(understand) if len(raw) >= LONG else understand()


def _understood(raw: bytes, model: type[BodyT], kind: Kind | None, dialect: Dialect) -> BodyT:
    try:
        sent: object = parsed(raw) if raw.strip() else {}
    except ValueError as error:
        raise InvalidRequest(f"We could not parse the JSON body of your request. ({error})") from None
    body = upgrade(dialect, kind, sent) if kind else sent
    return check(model, body, strict=dialect.strict)


async def _read(request: ApiRequest) -> bytes:
    if announced(request) > MAX_JSON:
        raise _too_large()
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_JSON:
            raise _too_large()
    return bytes(raw)


def announced(request: ApiRequest) -> int:
    """The bytes that the request says it will have; 0 if it does not say."""
    size = request.headers.get("content-length", "")
    return int(size) if size.isdecimal() else 0


def _too_large() -> TooLarge:
    return TooLarge(f"The request's body is larger than {MAX_JSON // 1024 // 1024} MiB.")


def read_query(request: ApiRequest, model: type[BodyT]) -> BodyT:
    """The request's query parameters; empty ones count as absent. The one that is a list may end in `[]`.

    Raises:
        InvalidRequest: one of them is wrong.
    """
    query = request.query_params
    given: dict[str, object] = {name: value for name, value in query.items() if value}
    if included := [value for name in _INCLUDE for value in query.getlist(name) if value]:
        given["include"] = included
    return check(model, given)


def answer(request: ApiRequest, found: Object, headers: Mapping[str, str] | None = None) -> Response:
    """The object, in the client's dialect."""
    return json_response(downgrade(request.state["dialect"], found), headers=headers)


def answer_list(request: ApiRequest, paged: Paged[ObjectT]) -> Response:
    """Part of a list, in the client's dialect."""
    dialect = request.state["dialect"]
    return json_response(listing((downgrade(dialect, item) for item in paged.data), has_more=paged.has_more))


def answer_deleted(id: str, kind: str) -> Response:
    """That an object is gone."""
    return json_response({"id": id, "object": kind, "deleted": True})


def json_response(content: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json_bytes(content), status, headers, "application/json")
