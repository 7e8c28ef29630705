"""What every request passes, as plain ASGI so that streams stay streams: ids, errors, the dialect.

Who may come in, and whose objects they see, is for door.py.
"""

from __future__ import annotations

import logging
import time
import uuid
from secrets import token_hex

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernelci.api.dialects.choice import choose, surface_of
from kernelci.api.envelope import is_gateways, refused
from kernelci.errors import KernelciError, in_words
from kernelci.settings import Settings

logger = logging.getLogger(__name__)

_API_RELEASE = "2020-10-01"

_NO_PAGE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Whatever an answer holds, a browser neither runs it nor shows it to a page of another site nor keeps it."""


class Stamp:
    """Gives every response its request id and the time it took, and has no browser take it for a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        stamps = _azure_stamps(scope) if surface_of(scope["path"]) == "azure" else _openai_stamps()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_NO_PAGE)
                headers.update(stamps)
                headers["openai-processing-ms"] = str(round((time.perf_counter() - began) * 1000))
            await send(message)

        return await self._app(scope, receive, stamped)


def _openai_stamps() -> dict[str, str]:
    return {"x-request-id": f"req_{token_hex(16)}", "openai-version": _API_RELEASE}


def _azure_stamps(scope: Scope) -> dict[str, str]:
    """Azure has an id for each of its two floors, and gives the client's own back."""
    stamps = {"x-request-id": str(uuid.uuid4()), "apim-request-id": str(uuid.uuid4()), "x-ms-region": "local"}
    if own := Headers(scope=scope).get("x-ms-client-request-id"):
        stamps["x-ms-client-request-id"] = own
    return {**stamps, "openai-version": _API_RELEASE}


class Errors:
    """Makes responses of exceptions: ours in their own words, a bug without any of its innards."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            return await self._app(scope, receive, watched)
        except ClientDisconnect:
            return None
        except Exception as error:
            if not isinstance(error, KernelciError):
                where = {"action": "request_failed", "method": scope["method"], "path": scope["path"]}
                logger.exception("a request failed", extra=where)
            if started:
                raise  # too late for a response: the connection has to break
            failure = in_words(error)
        return await refused(failure, by_gateway=is_gateways(failure, surface_of(scope["path"])))(
            scope, receive, send
        )


class Dialects:
    """Notes which form of the API the client speaks."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._strict = settings.strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with `state["dialect"]`.

        Raises:
            UnknownApiVersion: an Azure client asked for a version that there is not.
            MissingBeta: the server is strict, and the client named no version.
        """
        if scope["type"] == "http":
            scope.setdefault("state", {})["dialect"] = choose(
                scope["path"],
                api_version=QueryParams(scope["query_string"]).get("api-version"),
                beta=",".join(Headers(scope=scope).getlist("openai-beta")),
                strict=self._strict,
            )
        await self._app(scope, receive, send)
