"""Which model serves which name: chosen once, at the start, from the settings and from what this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from kernelci.engine.ports import Model
from kernelci.errors import StartupError
from kernelci.models.chat import ChatModel
from kernelci.models.discovery import USUAL, LocalServer, find_local
from kernelci.models.endpoint import Endpoint
from kernelci.models.offline import OfflineModel
from kernelci.settings import Settings

CLOUD = "https://api.openai.com/v1"


OFFLINE = "kernelci-offline"


class Catalog:
    """Serves every name by one endpoint, or by the offline model where there is none. Closes its client on exit."""

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint
        self._client = endpoint.connect() if endpoint else None
        self._model: Model = ChatModel(endpoint, self._client) if endpoint and self._client else OfflineModel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client:
            await self._client.close()

    @property
    def name(self) -> str:
        if self._endpoint is None:
            return OFFLINE
        return self._endpoint.model or "default"

    def serving(self, model: str) -> tuple[Model, str]:
        return self._model, (self._endpoint and self._endpoint.model) or model

    def describe(self) -> str:
        """The sentence that tells a person where conversations go."""
        endpoint = self._endpoint
        if endpoint is None:
            return (
                "No model's endpoint is configured, and none was found on this machine: the offline model answers, "
                "and nothing leaves this machine."
            )
        model = endpoint.model or "the model that each assistant names"
        where = f"{endpoint.program} at {endpoint.host}" if endpoint.program else endpoint.host
        if endpoint.on_loopback:
            return f"Conversations are sent to {model}, served on this machine by {where}, and nowhere else."
        return f"Conversations are sent to {model} at {where}."


async def choose(settings: Settings, *, servers: Sequence[LocalServer] = USUAL) -> Catalog:
    """The catalog that the settings ask for.

    A URL is taken as it is. A model without one is looked for among the local servers, and then in the cloud if
    there is a key: naming a model of the cloud is asking for it. With neither, any local model is taken. A key
    alone asks for nothing, since using it sends the conversation away.

    Raises:
        StartupError: the URL or the key cannot be one.
    """
    return Catalog(await _endpoint(settings, servers))


async def _endpoint(settings: Settings, servers: Sequence[LocalServer]) -> Endpoint | None:
    if settings.model_url:
        endpoint = Endpoint(settings.model_url, settings.model, settings.model_key)
        is_cloud = endpoint.host == urlsplit(CLOUD).netloc and endpoint.key is None
        return replace(endpoint, key=settings.cloud_key) if is_cloud else endpoint
    if settings.model:
        local = await find_local(settings.model, servers=servers, own_port=settings.port)
        key = settings.model_key or settings.cloud_key
        if local or key:
            return local or Endpoint(CLOUD, settings.model, key)
    local = await find_local(servers=servers, own_port=settings.port)
    if local:
        return replace(local, model=settings.model or local.model)
    if settings.model:
        raise StartupError(
            f"No model server is on this machine, and there is no key to ask the cloud for {settings.model!r}. "
            "Set OPENAI_API_KEY or --model-key, or name an endpoint by --model-url."
        )
    return None
