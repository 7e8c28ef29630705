"""The lines of a server's log, as far as they are facts that it was told of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from kernelci.cli.state import with_store
from kernelci.protocol.keys import fresh
from kernelci.server import running
from kernelci.settings import Settings
from tests.telemetry.conftest import Client, served
from tests.upstream import Chunks, Fails, Says, Upstream, text_chunk


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What our own lines hold, in their order."""
    ours = [vars(record) for record in caplog.records if record.name.startswith("kernelci")]
    return [each for each in ours if each["action"] not in {"environment_built", "leftover_stays", "group_left"}]


def test_a_servers_life(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "kernelci"), served(tmp_path) as client:
        client.run()
    told = facts(caplog)
    assert [fact["action"] for fact in told] == [
        *("server_started", "run_started", "kernel_started", "cell_ended", "cell_ended", "run_ended"),
        *("server_stopping", "kernel_ended", "zygote_ended", "server_stopped"),
    ]
    started, first, second, ended = told[1], told[3], told[4], told[5]
    assert {fact["run_id"] for fact in (started, first, second, ended)} == {started["run_id"]}
    assert {fact["thread_id"] for fact in (started, first, second, ended)} == {started["thread_id"]}
    assert (first["status"], second["status"]) == ("ok", "error")
    assert (ended["status"], ended["turns"], ended["error"]) == ("completed", 3, None)
    assert ended["output_tokens"] > 0
    assert ended["seconds"] >= first["seconds"] + first["waited"] + second["seconds"] + second["waited"]
    assert told[7]["cause"] == "the server stops"


def test_a_models_failure_is_told_with_its_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        Upstream([Fails(503, again=True), Says("Well."), Fails(503)]) as upstream,
        caplog.at_level(logging.INFO, "kernelci"),
        running(Settings(data_dir=tmp_path, port=0, model_url=upstream.url)) as url,
        Client.at(url) as client,
    ):
        assert "event: thread.run.completed" in client.run()
        assert "event: thread.run.failed" in client.run()
    told = [fact for fact in facts(caplog) if fact["action"].startswith(("model", "run"))]
    assert [fact["action"] for fact in told] == [
        *("run_started", "model_asked_again", "run_ended"),
        *("run_started", "model_failed", "run_ended"),
    ]
    assert told[1]["attempt"] == 1
    assert (told[4]["error"], told[4]["status"]) == ("InternalServerError", 503)
    assert (told[5]["status"], told[5]["error"], told[5]["turns"]) == ("failed", "server_error", 1)


def test_a_reply_that_breaks_off_is_told_and_counted_as_a_failure_and_not_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Upstream([Says("Well."), Chunks([text_chunk("Once")], done=False)]) as upstream,
        caplog.at_level(logging.INFO, "kernelci"),
        running(Settings(data_dir=tmp_path, port=0, model_url=upstream.url)) as url,
        Client.at(url) as client,
    ):
        assert "event: thread.run.completed" in client.run()
        assert "broke off in the middle of its reply" in client.run()
        failures = "kernelci_model_failures_total{'error': 'ModelUnavailable', 'model': 'm'}"
        assert client.metrics()[failures] == 1
        assert len(upstream.requests) == 2
    (failed,) = [fact for fact in facts(caplog) if fact["action"] == "model_failed"]
    assert (failed["levelname"], failed["error"]) == ("WARNING", "ModelUnavailable")


def test_keys_are_told_of_when_they_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(data_dir=tmp_path)
    text, alice = fresh("alice")
    _, old = fresh("old")
    with_store(settings, lambda store: store.keys.add(old))
    with caplog.at_level(logging.INFO, "kernelci"), served(tmp_path) as client:
        with_store(settings, lambda store: store.keys.add(alice))
        assert client.http.get("/v1/assistants", headers={"api-key": text}).status_code == 200
        with_store(settings, lambda store: store.keys.drop("alice"))
        assert client.http.get("/v1/assistants", headers={"api-key": text}).status_code == 401
    told = [(fact["action"], fact["key_name"]) for fact in facts(caplog) if fact["action"].startswith("key")]
    assert told == [("key_added", "alice"), ("key_revoked", "alice")]
    assert text not in caplog.text
