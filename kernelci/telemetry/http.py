"""What HTTP has to do with telemetry: each request is told of, and the metrics are read at `/metrics`."""

from __future__ import annotations

import time
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernelci.telemetry.facts import Answered, Observer
from kernelci.telemetry.meters import Meters

METRICS = "/metrics"

_LEFT = 499
"""The status that nginx notes for clients that leave before they are answered."""


class Told(TypedDict):
    """What the lifespan yields for this."""

    tell: Observer
    meters: Meters


def observe(app: Starlette) -> None:
    """Have the app tell of its requests, and show its metrics to whoever its door lets in."""
    app.add_middleware(_Telling)
    app.router.routes.append(Route(METRICS, _metrics))


async def _metrics(request: Request[Told]) -> Response:
    """`GET /metrics`."""
    text, kind = request.state["meters"].text(request.headers.get("accept", ""))
    return Response(text, media_type=kind)


class _Telling:
    """Tells of each request once it has been answered, streams at their end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), _LEFT

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            path = route.path if isinstance(route, Route) else "other"
            scope["state"]["tell"](Answered(scope["method"], path, status, time.perf_counter() - began))
