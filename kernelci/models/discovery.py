"""Looks for a model server on this machine, where the usual ones listen."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, ConfigDict

from kernelci.models.endpoint import Endpoint, TooLong

logger = logging.getLogger(__name__)

OURS = "kernelci"
"""Owner of the models that a kernelci server lists: asking one of those would be asking ourselves."""

_PATIENCE = 1.0  # seconds for a server to list its models

_NO_CHAT = re.compile(
    r"embed|rerank|whisper|minilm|stable-diffusion|(^|[^a-z])(asr|bge|clip|e5|flux|gte|tts)([^a-z]|$)",
    re.IGNORECASE,
)
"""Names of models that answer no chat: embedders and rerankers, speech and pictures."""

_ELSEWHERE = re.compile(r"[-:]cloud$", re.IGNORECASE)
"""Names that a local server lists and has answered by its maker's cloud."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A program that serves models, and the loopback port on which it does so by default."""

    program: str
    port: int


USUAL = (
    LocalServer("Ollama", 11434),
    LocalServer("LM Studio", 1234),
    LocalServer("llama.cpp", 8080),
    LocalServer("vLLM", 8000),
)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    owned_by: str | None = None


class _List(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: tuple[_Listed, ...]


async def find_local(
    model: str | None = None, *, servers: Sequence[LocalServer] = USUAL, own_port: int | None = None
) -> Endpoint | None:
    """The first of the servers that has the model, or any chat model if none is named; None if there is none.

    All are asked at once, for about a second at most. A kernelci server is never taken, nor what is on `own_port`.
    """
    found: dict[LocalServer, list[str]] = {}

    async def ask(server: LocalServer) -> None:
        found[server] = await _chat_models(client, server)

    anyone = Endpoint("http://127.0.0.1/v1")
    async with anyone.connect(patience=_PATIENCE, retries=0) as client, anyio.create_task_group() as tasks:
        for server in servers:
            if server.port != own_port:
                tasks.start_soon(ask, server)
    for server in servers:
        wanted = [name for name in found.get(server, []) if model is None or name in {model, f"{model}:latest"}]
        if wanted:
            return Endpoint(_url(server), wanted[0], program=server.program)
    return None


def _url(server: LocalServer) -> str:
    return f"http://127.0.0.1:{server.port}/v1"


async def _chat_models(client: AsyncOpenAI, server: LocalServer) -> list[str]:
    """The names of the server's chat models, in its order; none where no such server answers."""
    listed: tuple[_Listed, ...] = ()
    with anyio.move_on_after(_PATIENCE):
        try:
            listed = _List.model_validate(await client.get(f"{_url(server)}/models", cast_to=object)).data
        except (openai.OpenAIError, ValueError, RecursionError, TooLong) as error:
            logger.debug("no %s: %s", server.program, type(error).__name__, extra={"action": "no_local_model"})
    if any(model.owned_by == OURS for model in listed):
        return []
    return [model.id for model in listed if not _NO_CHAT.search(model.id) and not _ELSEWHERE.search(model.id)]
