"""`/models`: what an assistant may name. Any name is served; this is the one that is really asked."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.request import ApiRequest, json_response
from kernelci.errors import NotFound
from kernelci.protocol.parts import JsonObject


async def list_(request: ApiRequest) -> Response:
    """`GET /models`: not paged."""
    return json_response({"object": "list", "data": [_model(_asked(request))]})


async def retrieve(request: ApiRequest) -> Response:
    """`GET /models/{model}`."""
    model = request.path_params["model"]
    if model != _asked(request):
        raise NotFound(f"The model '{model}' does not exist.", param="model", code="model_not_found")
    return json_response(_model(model))


def _asked(request: ApiRequest) -> str:
    """What the upstream is asked for: one name, since it serves every assistant."""
    return request.state["service"].models.name


def _model(id: str) -> JsonObject:
    return {"id": id, "object": "model", "created": 0, "owned_by": "kernelci"}
