"""`/uploads`: a file in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from kernelci.api import forms
from kernelci.api.request import ApiRequest, answer, read_body
from kernelci.engine import uploads
from kernelci.protocol.uploads import MAX_PART, UploadComplete, UploadCreate, UploadPart


async def create(request: ApiRequest) -> Response:
    """`POST /uploads`."""
    body = await read_body(request, UploadCreate)
    return answer(request, await uploads.create(request.state["service"], body))


async def add_part(request: ApiRequest) -> Response:
    """`POST /uploads/{upload_id}/parts`: multipart, the bytes in `data`."""
    service, upload_id = request.state["service"], request.path_params["upload_id"]
    await uploads.pending(service, upload_id)

    async def keep(chunks: AsyncIterator[bytes]) -> UploadPart:
        return await uploads.add_part(service, upload_id, chunks)

    form: forms.Form[UploadPart] = forms.Form()
    part = await forms.receive(request, form, "data", keep, MAX_PART)
    return answer(request, part)


async def complete(request: ApiRequest) -> Response:
    """`POST /uploads/{upload_id}/complete`."""
    body = await read_body(request, UploadComplete)
    service, surface = request.state["service"], request.state["dialect"].surface
    return answer(request, await uploads.complete(service, request.path_params["upload_id"], body, surface))


async def cancel(request: ApiRequest) -> Response:
    """`POST /uploads/{upload_id}/cancel`."""
    return answer(request, await uploads.cancel(request.state["service"], request.path_params["upload_id"]))
