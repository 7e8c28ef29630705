"""`/models`: what an assistant may name. Any name is served; these are those that are asked or mapped."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from kernelci.api.request import ApiRequest, json_response
from kernelci.errors import NotFound
from kernelci.protocol.parts import JsonObject


async def list_(request: ApiRequest) -> Response:
    """`GET /models`: not paged."""
    return json_response({"object": "list", "data": [_model(name) for name in _names(request)]})


async def retrieve(request: ApiRequest) -> Response:
    """`GET /models/{model}`."""
    model = request.path_params["model"]
    if model not in _names(request):
        raise NotFound(f"The model '{model}' does not exist.", param="model", code="model_not_found")
    return json_response(_model(model))


def _names(request: ApiRequest) -> Sequence[str]:
    return request.state["service"].models.names


def _model(id: str) -> JsonObject:
    return {"id": id, "object": "model", "created": 0, "owned_by": "kernelci", "shutdown_date": None}
