"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from inline_snapshot import snapshot

from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest
from kernelci.protocol import ids
from kernelci.protocol.keys import Key, fresh
from kernelci.store.store import SqlStore
from tests.api.conftest import app_of, client_of, service_in

AZURE = "/openai/assistants?api-version=2024-05-01-preview"


KEYS: list[tuple[dict[str, str], int]] = [
    ({"authorization": "Bearer s3cret-ключ"}, 200),
    ({"authorization": "bearer s3cret-ключ"}, 200),
    ({"api-key": "s3cret-ключ"}, 200),
    ({"api-key": "s3cret-ключ", "authorization": "Bearer other"}, 200),
    ({}, 401),
    ({"authorization": ""}, 401),
    ({"authorization": "Basic s3cret-ключ"}, 401),
    ({"authorization": "Bearer s3cret"}, 401),
    ({"api-key": "s3cret-ключ!"}, 401),
]


@pytest.mark.parametrize(("headers", "status"), KEYS)
async def test_the_key_is_asked_for_where_there_is_one(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.encode() for name, value in headers.items()}
    async with service_in(tmp_path, api_key="s3cret-ключ") as service, client_of(app_of(service)) as client:
        for path in ("/v1/assistants", "/v1/nothing", AZURE, "/openai/v1/models"):
            response = await client.get(path, headers=sent)
            assert response.status_code in {status, 404 if status == 200 else status}
            assert "s3cret" not in response.text
        assert (await client.get("/healthz")).status_code == 200


async def test_the_two_ways_to_lack_a_key_are_told_apart(tmp_path: Path) -> None:
    async with service_in(tmp_path, api_key="key") as service, client_of(app_of(service)) as client:
        without = await client.get("/v1/assistants")
        wrong = await client.get("/v1/assistants", headers={"api-key": "other"})
        azure = await client.get(AZURE, headers={"api-key": "other"})
    assert without.json() == snapshot(
        {
            "error": {
                "message": "You didn't provide an API key. Send it as `Authorization: Bearer KEY` "
                "or as `api-key: KEY`.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        }
    )
    assert wrong.json() == snapshot(
        {
            "error": {
                "message": "Incorrect API key provided. Who runs this server makes keys: kernelci keys add NAME",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        }
    )
    assert azure.json()["error"].keys() == {"code", "message"}
    assert azure.json()["error"]["code"] == "401"
    assert azure.json()["error"]["message"] == (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
        "for an active subscription and use a correct regional API endpoint for your resource."
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8765", 200),
        ("LOCALHOST", 200),
        ("[::1]:1", 200),
        ("evil.example", 403),
        ("evil.example:8765", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("localhost:8765:1", 403),
        ("", 403),
    ],
)
async def test_on_loopback_no_other_name_is_answered(api: httpx2.AsyncClient, host: str, status: int) -> None:
    response = await api.get("/v1/assistants", headers={"host": host})
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_off_loopback_any_name_is_answered(tmp_path: Path) -> None:
    async with service_in(tmp_path, host="0.0.0.0", api_key="key") as service, client_of(app_of(service)) as client:
        headers = {"host": "gpu-box.lan:8765", "api-key": "key"}
        assert (await client.get("/v1/assistants", headers=headers)).status_code == 200
        headers["origin"] = "http://gpu-box.lan:8765"
        assert (await client.get("/v1/assistants", headers=headers)).status_code == 200
        headers["origin"] = "http://gpu-box.lan"
        assert (await client.get("/v1/assistants", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("https://127.0.0.1", 200),
        ("http://[::1]:5173", 200),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost:3000@evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("chrome-extension://localhost", 403),
    ],
)
async def test_a_page_of_another_site_cannot_ask(api: httpx2.AsyncClient, origin: str, status: int) -> None:
    headers = {"origin": origin, "content-type": "text/plain"}
    assert (await api.post("/v1/threads", content=b"{}", headers=headers)).status_code == status
    assert (await api.get("/v1/assistants", headers={"origin": origin})).status_code == status


PAGES: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"sec-fetch-site": "same-origin"}, 200),
    ({"sec-fetch-site": "none"}, 200),
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "same-site", "origin": "http://localhost:3000"}, 403),
    ({"sec-fetch-site": "same-origin", "origin": "http://localhost:5173"}, 200),
    ({"sec-fetch-site": "rubbish"}, 403),
    ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, 403),
]
"""The last but two is what the proxy of a person's own development server passes on."""


@pytest.mark.parametrize(("headers", "status"), PAGES)
async def test_a_browser_says_which_page_asks(
    api: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    form = {"files": {"file": ("a", b"a")}, "data": {"purpose": "assistants"}}
    for response in (
        await api.get("/v1/assistants", headers=headers),
        await api.post("/v1/threads", content=b"{}", headers={"content-type": "text/plain", **headers}),
        await api.post("/v1/files", headers=headers, **form),
        await api.get("/healthz", headers=headers),
    ):
        assert response.status_code == status


async def test_no_page_is_told_that_it_may(api: httpx2.AsyncClient) -> None:
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    response = await api.options("/v1/threads", headers=asked)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("hosts", [["127.0.0.1", "evil.example"], ["evil.example", "127.0.0.1"]])
async def test_two_names_are_none(api: httpx2.AsyncClient, hosts: list[str]) -> None:
    request = api.build_request("GET", "/v1/assistants")
    del request.headers["host"]
    request.headers = httpx2.Headers([("host", host) for host in hosts])
    assert (await api.send(request)).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_proxys_name_may_be_allowed(tmp_path: Path, host: str) -> None:
    allowed = {"host": host, "api_key": "key", "allowed_hosts": "ci.example.org, Other.Example"}
    async with service_in(tmp_path, **allowed) as service, client_of(app_of(service)) as client:
        for name, status in {"ci.example.org": 200, "other.example:443": 200, "localhost": 200, "x.y": 403}.items():
            headers = {"host": name, "api-key": "key"}
            assert (await client.get("/v1/assistants", headers=headers)).status_code == status
        page = {"host": "ci.example.org", "origin": "https://ci.example.org", "api-key": "key"}
        assert (await client.get("/v1/assistants", headers=page)).status_code == 200


@pytest.mark.parametrize("shared", [{"host": "0.0.0.0"}, {"allowed_hosts": "ci.example.org"}])
async def test_whoever_others_can_reach_is_not_opened_by_taking_the_last_key_back(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    async with service_in(tmp_path, **shared) as service, client_of(app_of(service)) as client:
        headers = {"api-key": await add(service, "alice"), "host": "localhost"}
        assert (await client.get("/v1/assistants", headers=headers)).status_code == 200
        await service.store.keys.drop("alice")
        for given in (headers, {"host": "localhost"}):
            assert (await client.get("/v1/assistants", headers=given)).status_code == 401


# Keys with names


async def add(service: Service, name: str) -> str:
    """The text of a new key."""
    assert isinstance(service.store, SqlStore)
    text, key = fresh(name)
    await service.store.keys.add(key)
    return text


async def test_a_named_key_shuts_out_who_has_none(service: Service, api: httpx2.AsyncClient) -> None:
    assert (await api.get("/v1/assistants")).status_code == 200
    text = await add(service, "alice")
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer any"}, 401),
        ({"authorization": f"Bearer {text}"}, 200),
        ({"authorization": f"bearer  {text} "}, 200),
        ({"authorization": f"Basic {text}"}, 401),
        ({"api-key": text}, 200),
        ({"api-key": text[:-1]}, 401),
        ({"api-key": text.lower()}, 401),
        ({"api-key": text, "authorization": "Bearer any"}, 200),
        ({"cookie": f"api-key={text}"}, 401),
    ):
        for path in ("/v1/assistants", AZURE, "/openai/v1/assistants"):
            assert (await api.get(path, headers=headers)).status_code == status
    assert (await api.get("/healthz")).status_code == 200
    assert isinstance(service.store, SqlStore)
    await service.store.keys.drop("alice")
    assert (await api.get("/v1/assistants")).status_code == 200, "as before there was any"


async def test_no_key_is_taken_from_a_url(service: Service, api: httpx2.AsyncClient) -> None:
    text = await add(service, "alice")
    for name in ("api-key", "api_key", "key", "token", "access_token"):
        assert (await api.get("/v1/assistants", params={name: text})).status_code == 401


async def test_the_servers_own_key_is_local_beside_named_ones(tmp_path: Path) -> None:
    async with service_in(tmp_path, api_key="own") as service, client_of(app_of(service)) as client:
        own = {"api-key": "own"}
        made = (await client.post("/v1/threads", headers=own)).json()["id"]
        alice, local = await add(service, "alice"), await add(service, "local")
        for key, status in {"own": 200, local: 200, alice: 404}.items():
            assert (await client.get(f"/v1/threads/{made}", headers={"api-key": key})).status_code == status


async def test_off_loopback_nobody_comes_in_without_a_key(tmp_path: Path) -> None:
    async with service_in(tmp_path, host="0.0.0.0") as service, client_of(app_of(service)) as client:
        assert (await client.get("/v1/assistants")).status_code == 401
        text = await add(service, "alice")
        assert (await client.get("/v1/assistants", headers={"api-key": text})).status_code == 200


async def test_the_last_use_is_noted_to_the_minute(service: Service, api: httpx2.AsyncClient) -> None:
    assert isinstance(service.store, SqlStore)
    text, key = fresh("alice")
    await service.store.keys.add(key)

    async def used() -> int | None:
        (kept,) = await service.keys.all()
        return kept.used_at

    assert await used() is None
    await api.get("/v1/assistants", headers={"api-key": "another"})
    assert await used() is None
    await api.get("/v1/assistants", headers={"api-key": text})
    first = await used()
    assert first is not None
    assert ids.now() - first < 60


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("sk-kernelci-0123456789", "Incorrect API key provided: sk-ke***89. "),
        ("sk-short", "Incorrect API key provided. "),
        ("<script>alert('0123456789')</script>", "Incorrect API key provided. "),
        ("0123456789 0123456789 0123456789", "Incorrect API key provided. "),
    ],
)
async def test_an_error_tells_a_key_by_its_ends_at_most(
    service: Service, api: httpx2.AsyncClient, given: str, told: str
) -> None:
    await add(service, "alice")
    message = (await api.get("/v1/assistants", headers={"api-key": given})).json()["error"]["message"]
    assert message.startswith(told)
    assert given not in message


@pytest.mark.parametrize("name", ["", "../alice", ".alice", "al ice", "א", "x" * 65, "alice\n"])
def test_a_name_can_be_typed_and_printed(name: str) -> None:
    with pytest.raises(InvalidRequest, match="A key's name is 1 to 64 of"):
        fresh(name)


def test_a_key_does_not_show_itself() -> None:
    text, key = fresh("alice")
    assert len(text) == len("sk-kernelci-") + 44
    assert text not in repr(key)
    assert text.startswith(key.beginning)
    assert len(text) - len(key.beginning) >= 40
    assert isinstance(key, Key)
    assert fresh("alice")[1].digest != key.digest
