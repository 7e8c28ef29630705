"""A model server on this machine is found by asking, and only what can chat is taken."""

from __future__ import annotations

import json
import socket

import anyio
import pytest
from starlette.responses import Response

from kernelci.models.discovery import USUAL, LocalServer, find_local
from kernelci.models.endpoint import Endpoint
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def another():
    with Upstream() as another:
        yield another


@pytest.fixture
def servers(upstream, another):
    """Two programs on this machine, One and Two; what they list is set by the test."""
    return [LocalServer("One", another.port), LocalServer("Two", upstream.port)]


async def test_the_first_server_in_order_with_a_chat_model_is_taken(another, upstream, servers):
    another.models = ["nomic-embed-text:latest"]
    upstream.models = ["b", "c"]
    assert await find_local(servers=servers) == Endpoint(upstream.url, "b", program="Two")
    another.models = ["a"]
    assert await find_local(servers=servers) == Endpoint(another.url, "a", program="One")


async def test_a_model_that_is_named_is_looked_for_on_all(another, upstream, servers):
    another.models = ["a"]
    upstream.models = ["b", "qwen3:latest"]
    assert await find_local("b", servers=servers) == Endpoint(upstream.url, "b", program="Two")
    assert await find_local("qwen3", servers=servers) == Endpoint(upstream.url, "qwen3:latest", program="Two")
    assert await find_local("gpt-4o", servers=servers) is None


@pytest.mark.parametrize(
    "name",
    [
        "nomic-embed-text:latest",
        "text-embedding-3-large",
        "bge-m3",
        "BAAI/bge-reranker-v2-m3",
        "all-minilm:l6-v2",
        "intfloat/e5-large",
        "gte-Qwen2",
        "whisper-large-v3",
        "kokoro-tts",
        "stable-diffusion-3",
        "gpt-oss:120b-cloud",
        "glm-4.6:cloud",
    ],
)
async def test_what_does_not_chat_or_is_answered_elsewhere_is_passed_over(upstream, servers, name):
    upstream.models = [name, "qwen3:8b"]
    found = await find_local(servers=servers[1:])
    assert found
    assert found.model == "qwen3:8b"


@pytest.mark.parametrize(
    "name", ["llama3.2:3b", "Qwen/Qwen3-8B", "gpt-oss:20b", "/models/gemma-3-4b.gguf", "cloud-7b"]
)
async def test_what_chats_is_taken(upstream, servers, name):
    upstream.models = [name]
    found = await find_local(servers=servers[1:])
    assert found
    assert found.model == name


async def test_kernelci_itself_is_never_taken(another, upstream, servers):
    another.models = [{"id": "qwen3:8b", "owned_by": "kernelci"}]
    assert await find_local(servers=servers, own_port=upstream.port) is None


async def test_where_nobody_listens_nothing_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        assert await find_local(servers=[LocalServer("One", taken.getsockname()[1])]) is None


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>My other project</html>", media_type="text/html"),
        Response("not json", media_type="application/json"),
        Response("[]", media_type="application/json"),
        Response('{"data": null}', media_type="application/json"),
        Response('{"data": [{"name": "x"}]}', media_type="application/json"),
        Response(json.dumps({"data": [{"id": "x"}]}), status_code=401),
        Response("", status_code=302, headers={"location": "http://127.0.0.1:1/v1/models"}),
        Response("[" * 100_000, media_type="application/json"),
    ],
)
async def test_another_program_on_the_port_is_passed_over(another, upstream, servers, answer):
    another.models = answer
    assert await find_local(servers=servers) == Endpoint(upstream.url, "scripted", program="Two")


async def test_a_silent_program_is_not_waited_for(upstream, servers):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts, and never says a word
        with anyio.fail_after(30):
            found = await find_local(servers=[LocalServer("Silent", silent.getsockname()[1]), servers[1]])
    assert found == Endpoint(upstream.url, "scripted", program="Two")


def test_the_usual_ports():
    assert [server.port for server in USUAL] == [11434, 1234, 8080, 8000]
