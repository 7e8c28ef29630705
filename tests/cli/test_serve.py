"""`kernelci serve`, as those who start, use and stop it see it."""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
from dataclasses import replace

import httpx2
import pytest

from kernelci.errors import DataFolderInUse, StartupError
from kernelci.models.catalog import Catalog
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import LISTENING, Command
from tests.upstream import Hangs, Upstream


def test_tells_where_it_listens_and_stops_when_told(kernelci: Command) -> None:
    with (
        Upstream([]) as upstream,
        kernelci.started("serve", "--port", "0", "--api-key", "secret", KERNELCI_MODEL_URL=upstream.url) as process,
        httpx2.Client(trust_env=False) as client,
    ):
        line = process.stdout.readline()
        assert re.fullmatch(rf"{LISTENING}http://127\.0\.0\.1:\d+\n", line)
        models = line.removeprefix(LISTENING).strip() + "/v1/models"
        assert client.get(models).status_code == 401
        assert client.get(models, headers={"api-key": "secret"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        told, warned = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told == ""
    assert upstream.url.removeprefix("http://").removesuffix("/v1") in warned
    assert "secret" not in warned


def test_in_json_the_log_is_nothing_else(kernelci: Command) -> None:
    with kernelci.started("serve", "--port", "0", "--log-format", "json") as process:
        assert process.stdout.readline().startswith(LISTENING)
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=60)
    actions = [json.loads(line)["action"] for line in logged.splitlines()]
    assert {"upstream_chosen", "server_started", "server_stopped"} <= set(actions)


def test_serves_with_as_many_open_files_as_it_may_have(kernelci: Command) -> None:
    few = replace(kernelci, within=("sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh"))
    with few.started("serve", "--port", "0") as process:
        assert process.stdout.readline().startswith(LISTENING)
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 256


def test_an_open_stream_does_not_hold_up_the_stop(kernelci: Command) -> None:
    with (
        Upstream([Hangs()]) as upstream,
        kernelci.started("serve", "--port", "0", KERNELCI_MODEL_URL=upstream.url) as process,
        httpx2.Client(
            base_url=process.stdout.readline().removeprefix(LISTENING).strip(), trust_env=False
        ) as client,
    ):
        assistant = client.post("/v1/assistants", json={"model": "m"}).json()
        run = {
            "assistant_id": assistant["id"],
            "stream": True,
            "thread": {"messages": [{"role": "user", "content": "x"}]},
        }
        with client.stream("POST", "/v1/threads/runs", json=run) as stream:
            lines = stream.iter_lines()
            while next(lines) != "event: thread.run.in_progress":
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (
            ["--host", "0.0.0.0"],
            {},
            "it needs a key: kernelci keys add NAME makes one, or set --api-key or KERNELCI_API_KEY.",
        ),
        (
            ["--allowed-hosts", "ci.example.org"],
            {},
            (
                "A name in --allowed-hosts lets others reach this server, so it needs a key: "
                "kernelci keys add NAME makes one, or set --api-key or KERNELCI_API_KEY."
            ),
        ),
        ([], {"KERNELCI_PORT": "99999"}, "--port (KERNELCI_PORT): Input should be less than or equal to 65535."),
        (["--data-dir", "/dev/null/x"], {}, "Choose another one with --data-dir."),
    ],
    ids=["no key", "no key behind a proxy", "no port", "no folder"],
)
def test_says_in_a_sentence_why_it_cannot_start(
    kernelci: Command, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    done = kernelci.run("serve", *arguments, **{"KERNELCI_PORT": "0", **variables})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("kernelci: ")
    assert done.stderr.endswith(sentence + "\n")
    assert done.stderr.count("\n") == 1


def test_a_data_folder_has_one_server(kernelci: Command, settings: Settings) -> None:
    with running(settings, Catalog(None)) as address:
        done = kernelci.run("serve", "--port", "0")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert address in done.stderr
        port = address.rpartition(":")[2]
        with (
            pytest.raises(DataFolderInUse, match=f"running already: {address}"),
            running(with_port(settings, port)),
        ):
            pass


def test_an_address_that_is_taken_is_a_start_up_error(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(StartupError, match=rf"port {port}: Address already in use. Choose another"),
            running(with_port(settings, port), Catalog(None)),
        ):
            pass


def with_port(settings: Settings, port: object) -> Settings:
    return settings.model_copy(update={"port": int(str(port))})


def test_a_file_in_the_data_folder_says_which_names_are_served(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "models.toml").write_text(
        '[upstreams.local]\nurl = "http://127.0.0.1:1/v1"\nmodel = "qwen3"\n[names]\n"gpt-4" = "local"\n',
        encoding="utf-8",
    )
    told: list[str] = []
    with running(settings, upstream=told.append) as address, httpx2.Client(trust_env=False) as client:
        listed = client.get(f"{address}/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["gpt-4", "qwen3"]
    assert "gpt-4 is served by local." in told[0]
