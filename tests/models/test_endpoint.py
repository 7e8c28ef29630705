"""What is sent to an endpoint depends on the settings alone."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from kernelci.engine.events import Event
from kernelci.errors import ModelRefused, StartupError
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.models.requests import WITH_CODE
from tests.upstream import Says


async def ignore(event: Event) -> None:
    del event


async def test_the_environment_has_no_part_in_it(upstream, monkeypatch):
    for name, value in {
        "OPENAI_API_KEY": "sk-stray",
        "OPENAI_ADMIN_KEY": "sk-stray",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_ORG_ID": "org-stray",
        "OPENAI_PROJECT_ID": "proj-stray",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-stray\nX-Stray: stray",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "all_proxy": "http://127.0.0.1:1",
        "NO_PROXY": "",
        "no_proxy": "",
    }.items():
        monkeypatch.setenv(name, value)
    upstream.will([Says("Hi."), Says("Hi.")])
    for endpoint in (Endpoint(upstream.url), Endpoint(upstream.url, key=SecretStr("sk-ours\n"))):
        async with endpoint.connect() as client:
            await ChatModel(endpoint, client).reply(WITH_CODE, ignore)
    without, ours = (request.headers for request in upstream.requests)
    assert without["authorization"] == "Bearer none"
    assert ours["authorization"] == "Bearer sk-ours"
    assert "stray" not in str(ours)
    assert set(ours) == {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-stainless-read-timeout",
        "x-stainless-retry-count",
    }


async def test_other_machines_are_reached_by_the_proxy(upstream, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://{upstream.host}")
    endpoint = Endpoint("http://models.invalid/v1")
    async with endpoint.connect(retries=0) as client:
        # Only the proxy can have answered: nothing has a name that ends in .invalid.
        with pytest.raises(ModelRefused, match=r"models\.invalid has no such model"):
            await ChatModel(endpoint, client).reply(WITH_CODE, ignore)


def test_a_proxy_of_no_usable_kind_stops_the_start(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://me:hunter2@127.0.0.1:1")
    with pytest.raises(StartupError) as refused:
        Endpoint("https://models.example/v1").connect()
    assert refused.value.message == "The proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is of no usable kind."


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:11434", "ftp://x/v1", "http:///v1", "http://x:99999/v1", "http://[::1/v1", "http://x/?key=1"],
)
def test_what_is_no_address_is_refused_at_the_start(url):
    with pytest.raises(StartupError, match="is no address"):
        Endpoint(url)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(StartupError) as refused:
        Endpoint("https://me:hunter2@models.example/v1")
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("key", ["sk-מפתח", "sk\nX-Header: 1", "sk\x00"])
def test_what_is_no_key_is_refused_and_not_repeated(key):
    with pytest.raises(StartupError) as refused:
        Endpoint("http://127.0.0.1/v1", key=SecretStr(key))
    assert key not in refused.value.message


def test_the_key_does_not_show():
    assert "sk-secret" not in repr(Endpoint("http://127.0.0.1/v1", key=SecretStr("sk-secret")))


@pytest.mark.parametrize(
    ("url", "host", "here"),
    [
        ("http://127.0.0.1:11434/v1", "127.0.0.1:11434", True),
        ("http://localhost:1234/v1", "localhost:1234", True),
        ("http://[::1]:8000/v1", "[::1]:8000", True),
        ("https://api.openai.com/v1", "api.openai.com", False),
        ("http://192.168.1.7:11434/v1", "192.168.1.7:11434", False),
        ("http://localhost.example.com/v1", "localhost.example.com", False),
    ],
)
def test_where_an_endpoint_is(url, host, here):
    endpoint = Endpoint(url)
    assert (endpoint.host, endpoint.on_loopback) == (host, here)
