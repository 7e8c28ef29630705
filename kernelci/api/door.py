"""The door: who is let in, and whose objects the request is about from then on.

It keeps out other people (keys) and other people's web pages open on this machine: a page cannot read an answer
without CORS headers, and none are ever sent, but it could have posted, or have its own name resolve to this machine
(Host, Origin, Sec-Fetch-Site). Keys are taken from headers only: what is in a URL ends in logs and histories.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kernelci.api.dialects.choice import surface_of
from kernelci.engine.ports.keys import Keys
from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest
from kernelci.protocol.keys import matching
from kernelci.protocol.objects import LOCAL
from kernelci.settings import Settings

HEALTH = "/healthz"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_AUTHORITY = re.compile(r"(\[[^\]]+\]|[^:\[\]/?#@]+)(:\d*)?")
_ORIGIN = re.compile(r"https?://([^/]+)")
_OWN_PAGES = frozenset({"same-origin", "none"})
"""What a browser says of requests by a page of the same address, and of addresses that a person typed."""

_AZURES_WORDS = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_LONG_ENOUGH = 20
_TELLABLE = re.compile(r"[A-Za-z0-9_-]+")


class ForeignPage(InvalidRequest):
    """This server does not answer web pages of other sites."""

    status = 403


class MissingKey(InvalidRequest):
    """You didn't provide an API key. Send it as `Authorization: Bearer KEY` or as `api-key: KEY`."""

    status = 401


class WrongKey(InvalidRequest):
    """Incorrect API key provided."""

    status = 401
    code = "invalid_api_key"


class AccessDenied(InvalidRequest):
    """Access denied due to invalid subscription key or wrong API endpoint."""

    status = 401


class Door:
    """Lets in who may come in: right host, no other site's page, right key."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._key = settings.api_key.get_secret_value().encode() if settings.api_key else None
        self._shared = settings.shared
        named = settings.own_names
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = _LOOPBACK | {own} | named if settings.on_loopback or named else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the service of whose key it has.

        Raises:
            ForeignPage: its Host or Origin is not ours.
            MissingKey: it has no key, and needs one.
            WrongKey: it has another.
            AccessDenied: either of these, where Azure would say it.
        """
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._check_host(headers)
            self._check_page(headers)
            if scope["path"] != HEALTH:
                await self._admit(scope, headers)
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        service: Service = scope["state"]["service"]
        try:
            owner = await self._owner(_offered(headers), service.keys)
        except (MissingKey, WrongKey):
            if surface_of(scope["path"]) == "azure":
                raise AccessDenied(_AZURES_WORDS) from None
            raise
        scope["state"]["service"] = service.of(owner)

    async def _owner(self, offered: Iterable[bytes], keys: Keys) -> str:
        """Whose key it is. Without any key in the world, who comes in is `local`, unless others may come, too."""
        named = await keys.all()
        if not (self._shared or self._key is not None or named):
            return LOCAL
        for text in offered:
            if key := matching(text, named):
                await keys.note_use(key)
                return key.name
            if self._key is not None and hmac.compare_digest(text, self._key):
                return LOCAL
        raise _wrong(text) if (text := next(iter(offered), b"")) else MissingKey()

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        named = headers.getlist("host")
        if len(named) != 1 or _name(named[0]) not in self._hosts:
            raise ForeignPage(
                "This server answers to localhost, 127.0.0.1 and [::1], and to the names in --allowed-hosts."
            )

    def _check_page(self, headers: Headers) -> None:
        if not _OWN_PAGES.issuperset(headers.getlist("sec-fetch-site")):
            raise ForeignPage
        for origin in headers.getlist("origin"):
            match = _ORIGIN.fullmatch(origin)
            if match is None or (_name(match[1]) not in _LOOPBACK and match[1] != headers.get("host")):
                raise ForeignPage


def _name(authority: str) -> str | None:
    """The host of `host:port`, in lower case; None if it is neither a name nor an address."""
    match = _AUTHORITY.fullmatch(authority)
    return match[1].lower() if match else None


def _offered(headers: Headers) -> list[bytes]:
    """The keys that a request has, from either header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = [headers.get("api-key", ""), token.strip() if scheme.lower() == "bearer" else ""]
    return [each.encode("latin-1") for each in given if each]


def _wrong(text: bytes) -> WrongKey:
    """The refusal of a key, which names so much of it that its sender can tell which of theirs it was."""
    given = text.decode("latin-1")
    told = f": {given[:5]}***{given[-2:]}" if len(given) >= _LONG_ENOUGH and _TELLABLE.fullmatch(given) else ""
    return WrongKey(f"Incorrect API key provided{told}. Who runs this server makes keys: kernelci keys add NAME")
