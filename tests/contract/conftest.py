"""A real server on a free port, real kernels behind it, and a model whose words depend on what it is asked."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import SecretStr

from kernelci.engine.events import Emit
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.models.turn import CallFunction, Turn, play
from kernelci.protocol.usage import Price
from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.judged import judging, judging_async
from tests.upstream import Upstream

KEY = "contract-key"
API_VERSION = "2024-05-01-preview"
COMMON: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": 60}

ANALYSIS = """\
import pandas as pd
import matplotlib.pyplot as plt

data = pd.read_csv("/mnt/data/נתונים.csv")
print(len(data))
data.plot()
plt.show()
data.describe().to_csv("/mnt/data/result.csv")
int(data["b"].sum())
"""
CLOSING = "Here: [the result](sandbox:/mnt/data/result.csv)."


class Clerk:
    """Does what the user's last message says: `analyse`, `weather`, `wait`; anything else it repeats, slowly."""

    name = "clerk"
    names = ("clerk",)

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    def price(self, model: str) -> Price | None:
        return None

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        last = max(at for at, message in enumerate(request.messages) if message["role"] == "user")
        wanted, answered = str(request.messages[last]["content"]), request.messages[last + 1 :]
        if "wait" in wanted:
            await anyio.sleep_forever()
        turn = Turn(text=wanted)
        if "analyse" in wanted:
            turn = Turn(text=CLOSING) if answered else Turn(text="Let me see.", code=ANALYSIS)
        elif "weather" in wanted:
            cities = tuple(CallFunction("weather", {"city": city}) for city in ("Haifa", "Eilat"))
            heard = " and ".join(str(message["content"]) for message in answered if message["role"] == "tool")
            turn = Turn(text=f"It is {heard}.") if answered else Turn(functions=cities)
        return await play(turn, request, emit, pause=0.001)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a server that asks for a key."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("contract"), port=0, api_key=SecretStr(KEY))
    with running(settings, Clerk()) as url:
        yield url


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a server as `kernelci serve` starts it: without a key."""
    with running(Settings(data_dir=tmp_path_factory.mktemp("readme"), port=0), Clerk()) as url:
        yield url


@pytest.fixture
def small_server(tmp_path: Path) -> Generator[str]:
    """The address of a server that takes files of a million bytes at most."""
    with running(Settings(data_dir=tmp_path, port=0, max_upload=1_000_000), Clerk()) as url:
        yield url


@pytest.fixture(scope="module")
def upstream() -> Generator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@contextmanager
def serving(folder: Path, upstream: Upstream, **settings: Any) -> Generator[OpenAI]:
    """The SDK's client of a server that asks that endpoint."""
    with (
        running(Settings(data_dir=folder, port=0, model_url=upstream.url, **settings)) as url,
        sdk_of(url) as client,
    ):
        yield client


SURFACES = ["openai", "azure", "azure v1"]


@pytest.fixture(params=SURFACES)
def client(request: pytest.FixtureRequest, server: str) -> Generator[OpenAI]:
    """The SDK's client of each surface."""
    with sync_client(request.param, server) as client:
        yield client


def azure(server: str, api_version: str = API_VERSION) -> AzureOpenAI:
    """The SDK's client of classic Azure."""
    return AzureOpenAI(azure_endpoint=server, api_version=api_version, http_client=judging(), **COMMON)


def sync_client(surface: str, server: str) -> OpenAI:
    """The SDK's client of that surface."""
    match surface:
        case "openai":
            return OpenAI(base_url=f"{server}/v1", http_client=judging(), **COMMON)
        case "azure":
            return azure(server)
        case _:
            return OpenAI(base_url=f"{server}/openai/v1", http_client=judging(), **COMMON)


@pytest.fixture(params=["openai", "azure"])
async def async_client(request: pytest.FixtureRequest, server: str) -> Any:
    """The SDK's asynchronous client of each surface."""
    if request.param == "openai":
        client = AsyncOpenAI(base_url=f"{server}/v1", http_client=judging_async(), **COMMON)
    else:
        client = AsyncAzureOpenAI(
            azure_endpoint=server, api_version=API_VERSION, http_client=judging_async(), **COMMON
        )
    async with client:
        yield client


def sdk_of(url: str) -> OpenAI:
    """The SDK's client of a server that asks for no key."""
    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=60, http_client=judging())
