"""One endpoint, or the offline model, for every name that an assistant may give."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from kernelci.engine.ports.model import Model
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from kernelci.models.offline import OfflineModel
from kernelci.protocol.usage import FREE, Price

OFFLINE = "kernelci-offline"


class Catalog:
    """Serves every name by one endpoint, or by the offline model where there is none. Closes its client on exit."""

    def __init__(self, endpoint: Endpoint | None, *, asks: bool = True) -> None:
        """`asks` as `ChatModel` has it."""
        self._endpoint = endpoint
        self._client = endpoint.connect() if endpoint else None
        self._model: Model = (
            ChatModel(endpoint, self._client, asks=asks) if endpoint and self._client else OfflineModel()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client:
            await self._client.close()

    @property
    def names(self) -> tuple[str, ...]:
        if self._endpoint is None:
            return (OFFLINE,)
        return (self._endpoint.model or "default",)

    def serving(self, model: str) -> tuple[Model, str]:
        return self._model, (self._endpoint and self._endpoint.model) or model

    def price(self, model: str) -> Price | None:
        return FREE if self._endpoint is None else None

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What serves without a known price."""
        return (self._endpoint.host,) if self._endpoint else ()

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
