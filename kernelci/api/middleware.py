"""What every request passes, as plain ASGI so that streams stay streams: ids, errors, the door, the dialect.

The door keeps out other people (the key) and other people's web pages open on this machine (Host and Origin): a
page cannot read an answer without CORS headers, and none are ever sent, but it could have posted, or have its own
name resolve to this machine.
"""

from __future__ import annotations

import hmac
import logging
import re
import time
import uuid
from secrets import token_hex

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernelci.api.dialects.choice import choose, surface_of
from kernelci.api.envelope import is_gateways, refused
from kernelci.errors import InvalidRequest, KernelciError, MissingKey, WrongKey
from kernelci.settings import Settings

logger = logging.getLogger(__name__)

HEALTH = "/healthz"

_API_RELEASE = "2020-10-01"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_AUTHORITY = re.compile(r"(\[[^\]]+\]|[^:\[\]/?#@]+)(:\d*)?")
_ORIGIN = re.compile(r"https?://([^/]+)")


class ForeignPage(InvalidRequest):
    """This server does not answer web pages of other sites."""

    status = 403


class Stamp:
    """Gives every response its request id and the time it took."""

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
            failure = error if isinstance(error, KernelciError) else KernelciError()
        return await refused(failure, by_gateway=is_gateways(failure, surface_of(scope["path"])))(
            scope, receive, send
        )


class Door:
    """Lets in who may come in: right key, right host, no other site's page."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._key = settings.api_key.get_secret_value().encode() if settings.api_key else None
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = _LOOPBACK | {own} if settings.on_loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            ForeignPage: its Host or Origin is not ours.
            MissingKey: it has no key.
            WrongKey: it has another.
        """
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._check_host(headers.get("host", ""))
            _check_origins(headers)
            if self._key is not None and scope["path"] != HEALTH:
                _check_key(headers, self._key)
        await self._app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        if self._hosts is not None and _name(host) not in self._hosts:
            raise ForeignPage("This server listens on loopback and answers only to localhost, 127.0.0.1 and [::1].")


def _check_origins(headers: Headers) -> None:
    for origin in headers.getlist("origin"):
        match = _ORIGIN.fullmatch(origin)
        if match is None or (_name(match[1]) not in _LOOPBACK and match[1] != headers.get("host")):
            raise ForeignPage


def _name(authority: str) -> str | None:
    """The host of `host:port`, in lower case; None if it is neither a name nor an address."""
    match = _AUTHORITY.fullmatch(authority)
    return match[1].lower() if match else None


def _check_key(headers: Headers, key: bytes) -> None:
    """Compare in a time that tells nothing of the key."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = [headers.get("api-key", ""), token.strip() if scheme.lower() == "bearer" else ""]
    offered = [each.encode("latin-1") for each in given if each]
    if not offered:
        raise MissingKey
    if not any(hmac.compare_digest(each, key) for each in offered):
        raise WrongKey


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
