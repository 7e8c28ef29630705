"""`/files`: uploads stream in, downloads stream out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import anyio
from starlette.responses import FileResponse, Response

from kernelci.api.multipart import Multipart
from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, announced, answer, answer_deleted, answer_list, read_query
from kernelci.api.validation import listed
from kernelci.engine import files
from kernelci.engine.ports import Blob, TooManyBytes
from kernelci.errors import InvalidRequest, NotFound, TooLarge
from kernelci.protocol.objects import File
from kernelci.protocol.requests import FileListQuery

PURPOSES = ("assistants", "vision", "batch", "fine-tune", "user_data", "evals")

_KEPT = frozenset({"assistants", "vision", "user_data"})
"""Purposes of files that OpenAI took and never gave back."""

_AROUND = 1024 * 1024
"""Bytes of a request around its file: boundaries, headers, the other fields."""

_LONGEST_FIELD = 4096
_UNNAMED = "upload"


@dataclass(slots=True)
class _Upload:
    """What has come of an upload's parts so far."""

    purpose: str | None = None
    filename: str = _UNNAMED
    blob: Blob | None = None


async def create(request: ApiRequest) -> Response:
    """`POST /files`: multipart, its parts in any order."""
    service = request.state["service"]
    upload = _Upload()
    try:
        await _receive(request, upload)
        if upload.blob is None:
            raise _missing("file")
        if upload.purpose is None:
            raise _missing("purpose")
    except InvalidRequest:
        if upload.blob is not None:
            await files.release(service, upload.blob.sha256)
        raise
    surface = request.state["dialect"].surface
    file = await files.add(
        service.store, upload.blob, filename=upload.filename, purpose=upload.purpose, surface=surface
    )
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
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=PurePosixPath(file.filename).name or file.id,
        headers={"x-content-type-options": "nosniff"},
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


async def _receive(request: ApiRequest, upload: _Upload) -> None:
    """Take in the parts of an upload, its bytes straight into the store.

    Raises:
        InvalidRequest: a part is not as it should be, or too large.
    """
    service = request.state["service"]
    limit = service.settings.max_upload
    if announced(request) > limit + _AROUND:
        raise _too_large(limit)
    body = Multipart(request.headers.get("content-type", ""), request.stream(), limit + _AROUND)
    while part := await body.next_part():
        if part.name == "purpose":
            upload.purpose = _purpose(await part.text(_LONGEST_FIELD))
        elif part.name == "file" and upload.blob is None:
            upload.filename = part.filename or _UNNAMED
            try:
                upload.blob = await service.blobs.receive(part.chunks(), limit)
            except TooManyBytes:
                raise _too_large(limit) from None
            if upload.blob.size == 0:
                raise InvalidRequest("The file is empty.", param="file")


def _purpose(given: str) -> str:
    if given not in PURPOSES:
        text = f"Invalid value: {given[:64]!r}. Supported values are: {listed(PURPOSES)}."
        raise InvalidRequest(text, param="purpose", code="invalid_value")
    return given


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file is larger than {limit} bytes, which is the most this server accepts.", param="file")
