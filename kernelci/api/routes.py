"""The table of every path, and the application made of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Lifespan

from kernelci.api import (
    approvals,
    assistant_files,
    assistants,
    files,
    message_files,
    messages,
    models,
    runs,
    steps,
    threads,
    uploads,
)
from kernelci.api.door import HEALTH, Door
from kernelci.api.envelope import UnknownUrl, refused
from kernelci.api.middleware import Dialects, Errors, Stamp
from kernelci.api.request import ApiRequest, json_response
from kernelci.errors import InvalidRequest, KernelciError
from kernelci.protocol.ids import PREFIX, Kind
from kernelci.protocol.objects import Thread
from kernelci.settings import Settings

logger = logging.getLogger(__name__)

Endpoint = Callable[[ApiRequest], Awaitable[Response]]

SURFACES = ("/v1", "/openai/v1", "/openai")
"""OpenAI's base, Azure's newer one, and Azure's classic one with `api-version`."""

_THREAD = "/threads/{thread_id}"
_RUN = _THREAD + "/runs/{run_id}"


def _of_v1(endpoint: Endpoint) -> Endpoint:
    """The endpoint, which is there for v1's clients alone."""

    async def only(request: ApiRequest) -> Response:
        if request.state["dialect"].version != "v1":
            raise _unknown_url(request)
        return await endpoint(request)

    return only


PATHS: Mapping[str, Mapping[str, Endpoint]] = {
    "/assistants": {"GET": assistants.list_, "POST": assistants.create},
    "/assistants/{assistant_id}": {
        "GET": assistants.retrieve,
        "POST": assistants.update,
        "DELETE": assistants.delete,
    },
    "/assistants/{assistant_id}/files": {
        "GET": _of_v1(assistant_files.list_),
        "POST": _of_v1(assistant_files.create),
    },
    "/assistants/{assistant_id}/files/{file_id}": {
        "GET": _of_v1(assistant_files.retrieve),
        "DELETE": _of_v1(assistant_files.delete),
    },
    "/files": {"GET": files.list_, "POST": files.create},
    "/files/{file_id}": {"GET": files.retrieve, "DELETE": files.delete},
    "/files/{file_id}/content": {"GET": files.content},
    "/uploads": {"POST": uploads.create},
    "/uploads/{upload_id}/parts": {"POST": uploads.add_part},
    "/uploads/{upload_id}/complete": {"POST": uploads.complete},
    "/uploads/{upload_id}/cancel": {"POST": uploads.cancel},
    "/models": {"GET": models.list_},
    "/models/{model:path}": {"GET": models.retrieve},
    "/threads": {"POST": threads.create},
    "/threads/runs": {"POST": runs.create_with_thread},
    _THREAD: {"GET": threads.retrieve, "POST": threads.update, "DELETE": threads.delete},
    _THREAD + "/messages": {"GET": messages.list_, "POST": messages.create},
    _THREAD + "/messages/{message_id}": {
        "GET": messages.retrieve,
        "POST": messages.update,
        "DELETE": messages.delete,
    },
    _THREAD + "/messages/{message_id}/files": {"GET": _of_v1(message_files.list_)},
    _THREAD + "/messages/{message_id}/files/{file_id}": {"GET": _of_v1(message_files.retrieve)},
    _THREAD + "/events": {"GET": runs.events},
    _THREAD + "/runs": {"GET": runs.list_, "POST": runs.create},
    _RUN: {"GET": runs.retrieve, "POST": runs.update},
    _RUN + "/cancel": {"POST": runs.cancel},
    _RUN + "/submit_tool_outputs": {"POST": runs.submit},
    _RUN + "/approvals": {"GET": approvals.list_},
    _RUN + "/approvals/{call_id}": {"POST": approvals.answer},
    _RUN + "/steps": {"GET": steps.list_},
    _RUN + "/steps/{step_id}": {"GET": steps.retrieve},
}

_CHECKED: Mapping[str, Kind] = {
    "assistant_id": "assistant",
    "thread_id": "thread",
    "message_id": "message",
    "run_id": "run",
    "step_id": "step",
    "upload_id": "upload",
}
"""The path's ids that must look like their kind's. A file's may not: there are too many forms of those."""


class WrongMethod(InvalidRequest):
    """The path is right, the method is not."""

    status = 405
    code = "method_not_supported"


class StoreDown(KernelciError):
    """The server's store does not answer. Its log says why."""

    status = 503


def build(lifespan: Lifespan[Starlette], settings: Settings) -> Starlette:
    """The ASGI application. What the lifespan yields as `service` is what the endpoints work with."""
    app = Starlette(
        routes=[
            Route(HEALTH, health),
            *(
                Route(base + path, _by_method(verbs), methods=list(verbs))
                for base in SURFACES
                for path, verbs in PATHS.items()
            ),
        ],
        middleware=[
            Middleware(Stamp),
            Middleware(Errors),
            Middleware(Door, settings),
            Middleware(Dialects, settings),
        ],
        exception_handlers={HTTPException: no_route},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def health(request: ApiRequest) -> Response:
    """`GET /healthz`: the server is up, and its store answers. Anybody may ask, and learns no more than that.

    Raises:
        StoreDown: it does not.
    """
    try:
        await request.state["service"].store.find(Thread, "")
    except Exception:
        logger.exception("the store does not answer", extra={"action": "store_down"})
        raise StoreDown from None
    return json_response({"status": "ok"})


async def no_route(request: Request, error: Exception) -> Response:
    """The answer to a path or method that is not in the table."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        response = refused(WrongMethod(f"Not allowed to {request.method} on {request.url.path}."))
        response.headers.update(error.headers or {})
        return response
    raise _unknown_url(request)


def _unknown_url(request: Request[Any]) -> UnknownUrl:
    return UnknownUrl(f"Invalid URL ({request.method} {request.url.path})")


def _by_method(verbs: Mapping[str, Endpoint]) -> Endpoint:
    """One endpoint for a path's methods."""

    async def endpoint(request: ApiRequest) -> Response:
        for name, id in request.path_params.items():
            _check_id(name, id)
        return await verbs["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


def _check_id(name: str, id: str) -> None:
    """Refuse what cannot be an id of its kind: mostly a client's `undefined`."""
    kind = _CHECKED.get(name)
    if kind is not None and not id.startswith(PREFIX[kind]):
        wanted = PREFIX[kind].rstrip("_")
        text = f"Invalid '{name}': '{id[:64]}'. Expected an ID that begins with '{wanted}'."
        raise InvalidRequest(text, param=name, code="invalid_value")
