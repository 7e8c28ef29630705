"""How files come, at once and in parts: what is asked, and what is kept of those in parts (protocol.md 2.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kernelci.protocol.objects import File, Object
from kernelci.protocol.parts import JsonObject, Many, Part, Whole
from kernelci.protocol.requests import Body

Purpose = Literal["assistants", "vision", "batch", "fine-tune", "user_data", "evals"]

LIFETIME = 3600
"""Seconds in which all parts of an upload have to come."""

MAX_PART = 64 * 1024 * 1024
"""Bytes of one part."""


class ExpiresAfter(Body):
    """How long a file lives."""

    anchor: Literal["created_at"]
    seconds: Annotated[Whole, Field(ge=3600, le=2_592_000)]


class FormExpiresAfter(ExpiresAfter):
    """The same in a form, where numbers are text."""

    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class FileCreate(Body):
    """`POST /files`, but for the file itself: a form."""

    purpose: Purpose
    expires_after: FormExpiresAfter | None = None


class UploadCreate(Body):
    """`POST /uploads`."""

    bytes: Annotated[Whole, Field(ge=1)]
    filename: Annotated[str, Field(min_length=1)]
    mime_type: str
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class UploadComplete(Body):
    """`POST /uploads/{id}/complete`: the parts in their order."""

    part_ids: Annotated[Many[str], Field(min_length=1)]
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None


class Upload(Object):
    """A file that comes in parts, until `expires_at`; `lifetime` is that of the file, in seconds."""

    private: ClassVar[frozenset[str]] = frozenset({"mime_type", "lifetime", "metadata"})

    object: Literal["upload"] = "upload"
    bytes: int
    expires_at: int
    filename: str
    mime_type: str
    purpose: str
    status: Literal["pending", "completed", "cancelled"] = "pending"
    file: File | None = None
    lifetime: int | None = None

    def wire(self) -> JsonObject:
        return {**super().wire(), "file": self.file.wire() if self.file else None}


class Stretch(Part):
    """Bytes on the disk: so many, from `start` on, in the file of that name."""

    name: str
    start: int
    size: int


class UploadPart(Object):
    """Some of an upload's bytes."""

    private: ClassVar[frozenset[str]] = frozenset({"stretch", "metadata"})

    object: Literal["upload.part"] = "upload.part"
    upload_id: str
    stretch: Stretch
