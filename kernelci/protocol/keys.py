"""Keys with names: who may use the server, and whose objects they see. What is kept of a key is its digest."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kernelci.errors import InvalidRequest
from kernelci.protocol import ids

_PREFIX = "sk-kernelci-"
_RANDOM = 44
"""Random letters and digits in a key: 262 bits."""

_SHOWN = len(_PREFIX) + 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept. Times are Unix seconds; `beginning` is what a person may recognise it by.

    The digest is a plain SHA-256. Salt and slow hashes protect what people make up, which can be guessed; nobody
    can guess 262 random bits, so there is nothing to slow down, and no two keys are the same.
    """

    name: str
    beginning: str
    digest: str
    created_at: int
    used_at: int | None = None


def fresh(name: str) -> tuple[str, Key]:
    """A new key's text, which is nowhere kept, and the key.

    Raises:
        InvalidRequest: the name cannot be one.
    """
    text = _PREFIX + ids.letters(_RANDOM)
    return text, Key(checked(name), text[:_SHOWN], digest(text.encode()), ids.now())


def checked(name: str) -> str:
    """The name, which can be a key's.

    Raises:
        InvalidRequest: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            "A key's name is 1 to 64 of A-Z, a-z, 0-9, dots, dashes and underscores, such as alice."
        )
    return name


def digest(text: bytes) -> str:
    """What is kept of a key with this text."""
    return hashlib.sha256(text).hexdigest()


def matching(text: bytes, keys: Iterable[Key]) -> Key | None:
    """The key with this text, in a time that tells nothing of any."""
    offered = digest(text)
    found = [key for key in keys if hmac.compare_digest(key.digest, offered)]
    return found[0] if found else None
