"""`/files`: uploads stream in, downloads stream out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import PurePosixPath

import anyio
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response

from kernelci.api import forms
from kernelci.api.envelope import BeyondTheEnd
from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_deleted, answer_list, read_query
from kernelci.api.validation import check
from kernelci.engine import files
from kernelci.engine.ports.blobs import Blob
from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol.filenames import LONGEST
from kernelci.protocol.objects import File
from kernelci.protocol.requests import FileListQuery
from kernelci.protocol.uploads import FileCreate

_KEPT = frozenset({"assistants", "vision", "user_data"})
"""Purposes of files that OpenAI took and never gave back."""

_UNNAMED = "upload"


class _Download(FileResponse):
    """A file on its way out, in pieces that are worth a hop to a thread."""

    chunk_size = 1024 * 1024

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """From where to where, or nothing, which is all of it: so is a header answered that makes no sense.

        Raises:
            BeyondTheEnd: it would begin after the last byte.
        """
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable:
            if "," in http_range:  # of several, some may be there
                return []
            raise BeyondTheEnd(file_size) from None


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
    try:
        found = await anyio.Path(path).stat()
    except FileNotFoundError:
        raise NotFound(f"The bytes of {file.id} are lost.", param="id") from None
    return _Download(path, media_type="application/octet-stream", filename=_name_in_header(file), stat_result=found)


async def delete(request: ApiRequest) -> Response:
    """`DELETE /files/{file_id}`."""
    file = await _find(request)
    await files.delete(request.state["service"], file)
    return answer_deleted(file.id, "file")


def _name_in_header(file: File) -> str:
    """The file's name without its folders: its end, if it is longer than names are, since clients bound headers.

    Half a surrogate pair, which an import can bring, is in no header.
    """
    return PurePosixPath(file.filename).name[-LONGEST:].encode(errors="replace").decode() or file.id


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
