"""Errors as the API sends them (protocol.md 1.3)."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.dialects.choice import UnknownApiVersion
from kernelci.api.request import json_response
from kernelci.errors import InvalidRequest, KernelciError, NotFound
from kernelci.protocol.ids import Surface
from kernelci.protocol.parts import JsonObject


class UnknownUrl(NotFound):
    """Invalid URL"""


class BeyondTheEnd(InvalidRequest):
    """The file ends before the range that was asked for. Its `size` is in bytes."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes: the range that was asked for begins after its end.")
        self.size = size


def envelope(error: KernelciError) -> JsonObject:
    """An error's body: all four keys, always."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def gateway_envelope(error: KernelciError) -> JsonObject:
    """An error's body as Azure's gateway has it, before a request reaches the API."""
    message = UnknownApiVersion().message if isinstance(error, UnknownUrl) else error.message
    return {"error": {"code": str(error.status), "message": message}}


def is_gateways(error: KernelciError, surface: Surface) -> bool:
    """Whether Azure's gateway, not the API behind it, would have sent this error."""
    return surface == "azure" and (error.status == 401 or isinstance(error, UnknownUrl | UnknownApiVersion))


def refused(error: KernelciError, *, by_gateway: bool = False) -> Response:
    """The response to a request that failed. Clients repeat 5xx by themselves; ours may have had an effect."""
    body = gateway_envelope(error) if by_gateway else envelope(error)
    headers: dict[str, str] = {}
    if error.status >= 500:
        headers["x-should-retry"] = "false"
    if isinstance(error, BeyondTheEnd):
        headers["content-range"] = f"bytes */{error.size}"
    return json_response(body, error.status, headers)
