"""What an endpoint gets and gives: the service and the dialect of a request, its body and query, its answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TypedDict, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from kernelci.api.dialect import Dialect, Kind, downgrade, upgrade
from kernelci.api.json_text import json_bytes, parsed
from kernelci.api.validation import check
from kernelci.engine.ports import Page, Paged
from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest, TooLarge
from kernelci.protocol.objects import Object
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.requests import Body, FileListQuery, ListQuery

logger = logging.getLogger(__name__)

BodyT = TypeVar("BodyT", bound=Body)
ObjectT = TypeVar("ObjectT", bound=Object)

MAX_JSON = 8 * 1024 * 1024
"""Bytes of a JSON body; thirty messages of the longest kind. Files come as multipart and have their own limit."""


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
    try:
        sent: object = parsed(raw) if raw.strip() else {}
    except ValueError as error:
        raise InvalidRequest(f"We could not parse the JSON body of your request. ({error})") from None
    body = upgrade(kind, sent) if kind else sent
    if body != sent:
        logger.info("a request in an older form was taken", extra={"action": "body_upgraded"})
    return check(model, body)


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
    """The request's query parameters; empty ones count as absent.

    Raises:
        InvalidRequest: one of them is wrong.
    """
    return check(model, {name: value for name, value in request.query_params.items() if value})


def page(query: ListQuery | FileListQuery) -> Page:
    """The place in a list that a query asks for."""
    before = query.before if isinstance(query, ListQuery) else None
    return Page(limit=query.limit, order=query.order, after=query.after, before=before)


def answer(request: ApiRequest, found: Object, headers: Mapping[str, str] | None = None) -> Response:
    """The object, in the client's dialect."""
    return json_response(downgrade(request.state["dialect"], found.wire()), headers=headers)


def answer_list(request: ApiRequest, paged: Paged[ObjectT]) -> Response:
    """Part of a list, in the client's dialect."""
    dialect = request.state["dialect"]
    return json_response(listing((downgrade(dialect, item.wire()) for item in paged.data), paged.has_more))


def answer_deleted(id: str, kind: str) -> Response:
    """That an object is gone."""
    return json_response({"id": id, "object": kind, "deleted": True})


def listing(items: Iterable[JsonObject], has_more: bool) -> JsonObject:
    """A list object."""
    data = list(items)
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def json_response(content: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json_bytes(content), status, headers, "application/json")
