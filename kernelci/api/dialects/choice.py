"""Which form of the API a client speaks, by its path, its `api-version` and its `OpenAI-Beta` header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol.ids import Surface

Version = Literal["v1", "v2"]

AZURE = "/openai"
AZURE_V1 = "/openai/v1"
OPENAI = "/v1"

_API_VERSION = re.compile(r"(20\d\d-[01]\d-[0-3]\d)(-preview)?")
_FIRST_V1, _FIRST_V2 = "2024-02-15", "2024-05-01"
_IN_BETA = ("/assistants", "/threads")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A client's form of the API. `api_version` is what an Azure client asked for.

    `strict` refuses what the hosted service refused; without it, shapes of v1 are taken in v2, too, and what is
    not known is left alone.
    """

    surface: Surface = "openai"
    version: Version = "v2"
    api_version: str | None = None
    strict: bool = False


class UnknownApiVersion(NotFound):
    """Resource not found"""  # in the words of Azure's gateway


class MissingBeta(InvalidRequest):
    """You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header 'OpenAI-Beta: assistants=v2'."""  # noqa: E501  the hosted service's sentence, which clients know

    code = "invalid_beta"


def surface_of(path: str) -> Surface:
    """The surface that a path belongs to."""
    return "azure" if path.startswith(f"{AZURE}/") else "openai"


def choose(path: str, *, api_version: str | None, beta: str | None, strict: bool = False) -> Dialect:
    """The dialect of a request. On classic Azure's paths `api-version` decides, elsewhere the header does.

    Raises:
        UnknownApiVersion: a path of classic Azure without a version that had assistants.
        MissingBeta: the server is strict, and the header names no version.
    """
    surface = surface_of(path)
    if surface == "openai" or path.startswith(f"{AZURE_V1}/"):
        return Dialect(surface, _named(path, beta, strict), api_version, strict)
    match = _API_VERSION.fullmatch(api_version or "")
    if match is None or match[1] < _FIRST_V1:
        raise UnknownApiVersion
    return Dialect("azure", "v1" if match[1] < _FIRST_V2 else "v2", api_version, strict)


def _named(path: str, beta: str | None, strict: bool) -> Version:
    """The version that the header names; v2 if it names none."""
    named = {name.strip() for name in (beta or "").split(",")}
    if "assistants=v1" in named:
        return "v1"
    below = path.removeprefix(AZURE).removeprefix(OPENAI)
    if strict and "assistants=v2" not in named and below.startswith(_IN_BETA):
        raise MissingBeta
    return "v2"
