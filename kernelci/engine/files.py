"""Files as objects: made from stored bytes, checked where they are referred to, deleted with their bytes.

Files with the same content share their bytes, so these go with the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from kernelci.engine.ports.blobs import Blob
from kernelci.engine.ports.store import Store
from kernelci.engine.service import Service
from kernelci.errors import NotFound
from kernelci.protocol import ids
from kernelci.protocol.ids import Surface
from kernelci.protocol.objects import File
from kernelci.protocol.parts import ImageFilePart
from kernelci.protocol.requests import MessageCreate


def new(blob: Blob, *, filename: str, purpose: str, surface: Surface, lifetime: int | None) -> File:
    """A file of uploaded bytes, with an id as that surface has them; it expires after so many seconds."""
    now = ids.now()
    return File(
        id=ids.new("file", surface),
        created_at=now,
        bytes=blob.size,
        filename=filename,
        purpose=purpose,
        expires_at=None if lifetime is None else now + lifetime,
        blob=blob.sha256,
    )


async def delete(service: Service, file: File) -> None:
    """Forget a file. What refers to it keeps its id.

    Raises:
        NotFound: it is gone already.
    """
    await service.store.drop(File, file.id)
    await release(service, file.blob)


async def release(service: Service, sha256: str) -> None:
    """Let go of bytes that a file has had, or was to have."""
    if not await service.store.holds(sha256):
        await service.blobs.drop(sha256)


async def must_exist(store: Store, file_ids: Iterable[str]) -> None:
    """Check that files which a request refers to are there.

    Raises:
        NotFound: for the first that is not.
    """
    for id in dict.fromkeys(file_ids):
        if await store.find(File, id) is None:
            raise NotFound(f"No file found with id '{id[:64]}'.")


def named_in(messages: Iterable[MessageCreate]) -> list[str]:
    """The ids of all files that new messages refer to: attached ones and pictures."""
    named: list[str] = []
    for message in messages:
        named += [attachment.file_id for attachment in message.attachments]
        if not isinstance(message.content, str):
            named += [part.image_file.file_id for part in message.content if isinstance(part, ImageFilePart)]
    return named
