"""Ids as the hosted service made them: a prefix and 24 random letters and digits (protocol.md 1.4)."""

from __future__ import annotations

import secrets
import string
import time
from typing import Literal

Surface = Literal["openai", "azure"]
Kind = Literal["assistant", "thread", "message", "run", "step", "file", "upload", "part"]

PREFIX: dict[Kind, str] = {
    "assistant": "asst_",
    "thread": "thread_",
    "message": "msg_",
    "run": "run_",
    "step": "step_",
    "file": "file-",
    "upload": "upload_",
    "part": "part_",
}
AZURE_FILE_PREFIX = "assistant-"
_ALPHABET = (string.ascii_letters + string.digits).encode()
_LETTER = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_UNFAIR = bytes(range(256 - 256 % len(_ALPHABET), 256))
"""Bytes with which some letters would come more often than others."""


def new(kind: Kind, surface: Surface = "openai") -> str:
    """A fresh id of that kind; files minted for an Azure client begin with `assistant-`."""
    prefix = AZURE_FILE_PREFIX if kind == "file" and surface == "azure" else PREFIX[kind]
    return prefix + letters(24)


def new_call() -> str:
    """A fresh id for a tool call whose model gave it none."""
    return "call_" + letters(24)


def letters(count: int) -> str:
    """So many random letters and digits, unguessable."""
    drawn = b""
    while len(drawn) < count:
        drawn += secrets.token_bytes(count).translate(_LETTER, _UNFAIR)
    return drawn[:count].decode()


def now() -> int:
    """The current time in whole Unix seconds, as the API counts it."""
    return int(time.time())
