"""What a server of this machine tells of a model: whether it takes pictures, and how much it reads at once.

Ollama and LM Studio tell it of each model, and how much it reads once it is loaded; llama.cpp tells it of the one
that it serves. Nobody else is asked.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import anyio
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, ConfigDict

from kernelci.models.endpoint import Endpoint, TooLong
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds for a local server to answer


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a model; `context` are the tokens of a question and its reply together."""

    takes_pictures: bool | None = None
    context: int | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Settings(_Answer):
    n_ctx: int = 0  # none is known where a server of many models has loaded none


class _Loaded(_Answer):
    name: str = ""
    context_length: int | None = None

    def is_model(self, name: str) -> bool:
        """Whether it is called so, with the tag that Ollama adds where there is none."""
        return self.name in (name, f"{name}:latest")


class _Shown(_Answer):
    """Capabilities, loaded models (Ollama); modalities, settings (llama.cpp); type, length (LM Studio)."""

    capabilities: list[str] | None = None
    models: list[_Loaded] = []
    modalities: dict[str, bool] | None = None
    default_generation_settings: _Settings = _Settings()
    type: str | None = None
    loaded_context_length: int | None = None

    @property
    def takes_pictures(self) -> bool | None:
        if self.capabilities is not None:
            return "vision" in self.capabilities
        if self.modalities is not None:
            return self.modalities.get("vision", False)
        return {"vlm": True, "llm": False}.get(self.type or "")

    def context(self, model: str) -> int | None:
        loaded = (each.context_length for each in self.models if each.is_model(model))
        return self.loaded_context_length or self.default_generation_settings.n_ctx or next(loaded, None) or None


async def described(endpoint: Endpoint, client: AsyncOpenAI, model: str) -> Description:
    """What the endpoint's server tells of a model, if it is of this machine."""
    if not endpoint.on_loopback:
        return Description()
    root = endpoint.url.rstrip("/").removesuffix("/v1")
    told: list[_Shown] = []

    async def ask(path: str, body: JsonObject | None = None) -> None:
        try:
            quick = client.with_options(timeout=_PATIENCE, max_retries=0)
            url = f"{root}/{path}"
            answer = await (quick.post(url, cast_to=object, body=body) if body else quick.get(url, cast_to=object))
        except (openai.OpenAIError, ValueError, RecursionError, TooLong) as error:
            logger.debug("no %s: %s", path, type(error).__name__, extra={"action": "not_told"})
            return
        with suppress(ValueError):
            told.append(_Shown.model_validate(answer))

    with anyio.move_on_after(_PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "api/show", {"model": model})
            tasks.start_soon(ask, "api/ps")
            tasks.start_soon(ask, f"props?model={quote(model)}")
            tasks.start_soon(ask, f"api/v0/models/{quote(model)}")
    pictures = [each.takes_pictures for each in told if each.takes_pictures is not None]
    lengths = [length for each in told if (length := each.context(model))]
    return Description(any(pictures) if pictures else None, min(lengths, default=None))
