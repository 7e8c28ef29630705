"""Uploads: begun, filled with parts in any order and at the same time, and made a file or called off."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from kernelci.engine import files
from kernelci.engine.ports.blobs import WrongBytes
from kernelci.engine.service import Service
from kernelci.errors import IllegalMove, InvalidRequest, KernelciError, NotFound, TooLarge
from kernelci.protocol import ids
from kernelci.protocol.ids import Surface
from kernelci.protocol.uploads import LIFETIME, MAX_PART, Upload, UploadComplete, UploadCreate, UploadPart


async def create(service: Service, body: UploadCreate) -> Upload:
    """Begin an upload.

    Raises:
        TooLarge: it would be larger than this server takes.
    """
    limit = service.settings.max_upload_in_parts
    if body.bytes > limit:
        raise TooLarge(
            f"The file is larger than {limit} bytes, the most this server takes in parts.", param="bytes"
        )
    now = ids.now()
    upload = Upload(
        id=ids.new("upload"),
        created_at=now,
        expires_at=now + LIFETIME,
        lifetime=body.expires_after.seconds if body.expires_after else None,
        **body.model_dump(exclude={"expires_after"}),
    )
    await service.store.add(upload)
    return upload


async def add_part(service: Service, upload_id: str, chunks: AsyncIterator[bytes]) -> UploadPart:
    """Take in a part.

    Raises:
        NotFound: there is no such upload.
        IllegalMove: it has ended.
        InvalidRequest: the part is empty.
        TooLarge: there are too many bytes in all.
        TooManyBytes: there are too many in this part.
    """
    upload = await pending(service, upload_id)
    come = sum(part.stretch.size for part in await service.store.all(UploadPart, within=upload_id))
    if come > 2 * upload.bytes:  # parts may come again, when a client believed them lost, but not for ever
        raise TooLarge(f"The parts of {upload_id} have more than twice the bytes that it was created for.")
    async with _unless_it_ends(service, upload_id):
        stretch = await service.parts.receive(upload_id, chunks, MAX_PART)
    if not stretch.size:
        raise InvalidRequest("The part is empty.", param="data")
    part = UploadPart(id=ids.new("part"), created_at=ids.now(), upload_id=upload_id, stretch=stretch)
    await service.store.edit(Upload, upload_id, _still_pending, adding=[part])
    return part


async def complete(service: Service, upload_id: str, body: UploadComplete, surface: Surface) -> Upload:
    """Make a file of the parts.

    Raises:
        NotFound: there is no such upload.
        IllegalMove: it has ended.
        InvalidRequest: these parts are not what the upload was created for.
    """
    upload = await pending(service, upload_id)
    stretches = [part.stretch for part in _chosen(await service.store.all(UploadPart, within=upload_id), body)]
    size = sum(stretch.size for stretch in stretches)
    if size != upload.bytes:
        raise InvalidRequest(
            f"The parts have {size} bytes in all, but the upload was created for {upload.bytes}.", param="part_ids"
        )
    try:
        async with _unless_it_ends(service, upload_id):
            blob = await service.parts.join(upload_id, stretches, body.md5)
    except WrongBytes as wrong:
        raise InvalidRequest(f"The parts are not what was meant to come: {wrong}.", param="md5") from wrong
    file = files.new(
        blob, filename=upload.filename, purpose=upload.purpose, surface=surface, lifetime=upload.lifetime
    )

    def change(old: Upload) -> Upload:
        return _still_pending(old).model_copy(update={"status": "completed", "file": file})

    try:
        completed = await service.store.edit(Upload, upload_id, change, adding=[file])
    except KernelciError:
        await files.release(service, blob.sha256)
        raise
    await service.parts.drop(upload_id)
    return completed


async def cancel(service: Service, upload_id: str) -> Upload:
    """Call an upload off.

    Raises:
        NotFound: there is no such upload.
        IllegalMove: it has ended.
    """
    await pending(service, upload_id)

    def change(old: Upload) -> Upload:
        return _still_pending(old).model_copy(update={"status": "cancelled"})

    cancelled = await service.store.edit(Upload, upload_id, change)
    await service.parts.drop(upload_id)
    return cancelled


async def pending(service: Service, upload_id: str) -> Upload:
    """An upload that can still be changed.

    Raises:
        NotFound: there is no such upload, or its time is over.
        IllegalMove: it has ended.
    """
    upload = await service.store.find(Upload, upload_id)
    if upload is None:
        raise NotFound(f"No such Upload object: {upload_id}", param="id")
    return _still_pending(upload)


@asynccontextmanager
async def _unless_it_ends(service: Service, upload_id: str) -> AsyncGenerator[None]:
    """What is no longer on the disk because the upload has ended meanwhile is told as that."""
    try:
        yield
    except FileNotFoundError:
        await pending(service, upload_id)
        raise


def _still_pending(upload: Upload) -> Upload:
    if upload.status != "pending":
        raise IllegalMove(f"Upload {upload.id} has status '{upload.status}', so nothing can be done with it.")
    return upload


def _chosen(parts: Sequence[UploadPart], body: UploadComplete) -> list[UploadPart]:
    """The parts that are named, in the order they are named."""
    known = {part.id: part for part in parts}
    for at, id in enumerate(body.part_ids):
        if id not in known:
            param = f"part_ids[{at}]"
            text = f"Invalid '{param}': the upload has no part '{id[:64]}'."
            raise InvalidRequest(text, param=param, code="invalid_value")
    return [known[id] for id in body.part_ids]
