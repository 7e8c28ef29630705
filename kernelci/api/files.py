"""`/files`: uploads stream in, downloads stream out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import PurePosixPath

import anyio
from starlette.responses import FileResponse, Response

from kernelci.api import forms
from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_deleted, answer_list, read_query
from kernelci.api.validation import check
from kernelci.engine import files
from kernelci.engine.blobs import Blob
from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol.objects import File
from kernelci.protocol.requests import FileListQuery
from kernelci.protocol.uploads import FileCreate

_KEPT = frozenset({"assistants", "vision", "user_data"})
"""Purposes of files that OpenAI took and never gave back."""

_UNNAMED = "upload"


class _Download(FileResponse):
    """A file on its way out, in pieces that are worth a hop to a thread."""

    chunk_size = 1024 * 1024


async def create(request: ApiRequest) -> Response:
    """`POST /files`: multipart, its parts in any order."""
    service = request.state["service"]
    limit = service.settings.max_upload
    form: forms.Form[Blob] = forms.Form()

    async def keep(chunks: AsyncIterator[bytes]) -> Blob:
        return await service.blobs.receive(chunks, limit)

    try:
        blob = await forms.receive(request, form, "file", keep, limit)
        if blob.size == 0:
            raise InvalidRequest("The file is empty.", param="file")
        body = check(FileCreate, form.fields)
    except InvalidRequest:
        if form.kept is not None:
            await files.release(service, form.kept.sha256)
        raise
    file = files.new(
        blob,
        filename=form.filename or _UNNAMED,
        purpose=body.purpose,
        surface=request.state["dialect"].surface,
        lifetime=body.expires_after.seconds if body.expires_after else None,
    )
    await service.store.add(file)
    return answer(request, file)


async def list_(request: ApiRequest) -> Response:
    """`GET /files`."""
    query = read_query(request, FileListQuery)
    store = request.state["service"].store
    return answer_list(request, await store.page(File, page(query), purpose=query.purpose))


async def retrieve(request: ApiRequest) -> Response:
    """`GET /files/{file_id}`."""
    return answer(request, await _find(request))


async def content(request: ApiRequest) -> Response:
    """`GET /files/{file_id}/content`: the bytes, never as something that a browser would show."""
    file = await _find(request)
    _check_downloadable(request, file)
    path = request.state["service"].blobs.path(file.blob)
    if not await anyio.Path(path).exists():
        raise NotFound(f"The bytes of {file.id} are lost.", param="id")
    return _Download(
        path,
        media_type="application/octet-stream",
        filename=PurePosixPath(file.filename).name or file.id,
    )


async def delete(request: ApiRequest) -> Response:
    """`DELETE /files/{file_id}`."""
    file = await _find(request)
    await files.delete(request.state["service"], file)
    return answer_deleted(file.id, "file")


def _check_downloadable(request: ApiRequest, file: File) -> None:
    """Refuse, where the server is strict, what OpenAI would not give back; Azure did."""
    dialect = request.state["dialect"]
    if dialect.strict and dialect.surface == "openai" and file.purpose in _KEPT:
        raise InvalidRequest(f"Not allowed to download files of purpose: {file.purpose}")


async def _find(request: ApiRequest) -> File:
    id = request.path_params["file_id"]
    file = await request.state["service"].store.find(File, id)
    if file is None:
        raise NotFound(f"No such File object: {id}", param="id")
    return file
