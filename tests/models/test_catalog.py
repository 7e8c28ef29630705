"""Who serves which name, and what a person is told of it."""

from __future__ import annotations

import os

import pytest

from kernelci.engine.events import Event
from kernelci.errors import StartupError
from kernelci.models.catalog import Catalog
from kernelci.models.chat import ChatModel
from kernelci.models.choice import choose
from kernelci.models.discovery import LocalServer
from kernelci.models.endpoint import Endpoint
from kernelci.models.offline import OfflineModel
from kernelci.settings import Settings
from tests.models.requests import WITH_CODE
from tests.upstream import Says

SERVED = "Conversations are sent to {model}, served on this machine by {where}, and nowhere else."


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch):
    for name in os.environ:
        if name.startswith("KERNELCI_") or name == "OPENAI_API_KEY":
            monkeypatch.delenv(name)


@pytest.fixture
def ollama(upstream):
    upstream.models = ["qwen3:8b", "llama3.2:3b"]
    return upstream


@pytest.fixture
def servers(ollama):
    return [LocalServer("Ollama", ollama.port)]


async def test_without_anything_the_offline_model_answers():
    async with await choose(Settings(), servers=[]) as catalog:
        model, name = catalog.serving("gpt-4o")
        assert isinstance(model, OfflineModel)
        assert name == "gpt-4o"
        assert catalog.describe() == (
            "No model's endpoint is configured, and none was found on this machine: the offline model answers, "
            "and nothing leaves this machine."
        )


async def test_a_local_model_is_found(ollama, servers):
    async with await choose(Settings(), servers=servers) as catalog:
        assert catalog.serving("gpt-4o")[1] == "qwen3:8b"
        assert catalog.describe() == SERVED.format(model="qwen3:8b", where=f"Ollama at {ollama.host}")


async def test_a_local_model_may_be_named(ollama, servers):
    async with await choose(Settings(model="llama3.2:3b", cloud_key="sk-x"), servers=servers) as catalog:
        assert catalog.serving("gpt-4o")[1] == "llama3.2:3b"
        assert catalog.describe() == SERVED.format(model="llama3.2:3b", where=f"Ollama at {ollama.host}")


async def test_a_model_that_no_local_server_lists_is_asked_for_all_the_same(ollama, servers):
    async with await choose(Settings(model="mine"), servers=servers) as catalog:
        assert catalog.describe() == SERVED.format(model="mine", where=f"Ollama at {ollama.host}")


async def test_a_model_and_a_key_ask_for_the_cloud(servers):
    async with await choose(Settings(model="gpt-5", cloud_key="sk-x"), servers=servers) as catalog:
        assert catalog.describe() == "Conversations are sent to gpt-5 at api.openai.com."


async def test_a_key_alone_asks_for_nothing():
    async with await choose(Settings(cloud_key="sk-x", model_key="sk-x"), servers=[]) as catalog:
        assert isinstance(catalog.serving("gpt-4o")[0], OfflineModel)


async def test_a_url_is_taken_as_it_is(servers):
    async with await choose(Settings(model_url="https://models.example/v1"), servers=servers) as catalog:
        assert isinstance(catalog.serving("gpt-4o")[0], ChatModel)
        assert catalog.serving("gpt-4o")[1] == "gpt-4o"
        assert catalog.describe() == (
            "Conversations are sent to the model that each assistant names at models.example."
        )


async def test_our_own_port_is_not_asked(ollama, servers):
    async with await choose(Settings(port=ollama.port), servers=servers) as catalog:
        assert isinstance(catalog.serving("gpt-4o")[0], OfflineModel)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"model_key": "sk-given", "cloud_key": "sk-cloud"}, "Bearer sk-given"),
        ({"cloud_key": "sk-cloud"}, "Bearer none"),
        ({}, "Bearer none"),
    ],
)
async def test_the_clouds_key_goes_to_the_cloud_alone(upstream, settings, key):
    upstream.will([Says("Hi.")])
    async with await choose(Settings(model_url=upstream.url, model="m", **settings)) as catalog:
        model, name = catalog.serving("gpt-4o")
        assert name == "m"
        await model.reply(WITH_CODE, _ignore)
    assert upstream.requests[0].headers["authorization"] == key


@pytest.mark.parametrize("more", [{"model_url": "https://api.openai.com/v1"}, {"model": "gpt-5"}])
async def test_the_clouds_key_goes_to_the_cloud(more):
    async with await choose(Settings(cloud_key="sk-cloud", **more), servers=[]) as catalog:
        assert catalog._client is not None
        assert catalog._client.api_key == "sk-cloud"
        assert "sk-cloud" not in catalog.describe()


async def test_a_url_that_is_none_stops_the_start():
    with pytest.raises(StartupError):
        await choose(Settings(model_url="localhost:11434"))


async def test_the_client_is_closed_on_exit():
    async with Catalog(Endpoint("http://127.0.0.1:1/v1")) as catalog:
        client = catalog._client
        assert client is not None
        assert not client.is_closed()
    assert client.is_closed()


async def _ignore(event: Event) -> None:
    del event


async def test_a_model_that_nobody_can_be_asked_for_stops_the_start():
    with pytest.raises(StartupError, match="no key to ask the cloud for 'gpt-5'"):
        await choose(Settings(model="gpt-5"), servers=())
