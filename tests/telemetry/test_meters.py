"""What `/metrics` tells, and to whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from kernelci.protocol.usage import Usage
from kernelci.sessions.pool import Kernels
from kernelci.telemetry.facts import Fact, Replied, told_to
from kernelci.telemetry.meters import Meters
from kernelci.telemetry.names import MODELS
from tests.telemetry.conftest import served


def test_a_run_is_counted(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        before = client.metrics()
        assert "event: thread.run.completed" in client.run()
        client.http.get("/v1/threads/thread_1")
        client.http.request("BREW", "/v1/<script>")
        told = client.metrics()
    assert before["kernelci_kernels{'state': 'alive'}"] == 0
    assert told["kernelci_kernels{'state': 'alive'}"] == 1
    assert told["kernelci_runs_total{'status': 'completed'}"] == 1
    assert told["kernelci_runs_going_on{'state': 'started'}"] == 0
    assert told["kernelci_turns_total"] == 3
    assert told["kernelci_cells_total{'status': 'ok'}"] == told["kernelci_cells_total{'status': 'error'}"] == 1
    assert told["kernelci_cell_seconds_count"] == told["kernelci_cell_wait_seconds_count"] == 2
    assert told["kernelci_model_seconds_count{'model': 'm'}"] == 3
    assert told["kernelci_tokens_total{'direction': 'output', 'model': 'm'}"] > 0
    assert told["kernelci_run_seconds_count"] == told["kernelci_run_wait_seconds_count"] == 1
    requests = "kernelci_http_requests_total{'method': '%s', 'route': '%s', 'status': '%s'}"
    assert told[requests % ("GET", "/v1/threads/{thread_id}", 404)] == 1
    assert told[requests % ("other", "other", 404)] == 1
    assert told["process_max_fds"] >= told["process_open_fds"] > 0
    assert told["kernelci_data_free_bytes"] > 0


def test_metrics_are_behind_the_door_and_health_is_not(tmp_path: Path) -> None:
    with served(tmp_path, api_key=SecretStr("secret"), strict=True) as client:
        assert client.http.get("/metrics").status_code == 401
        assert client.http.get("/metrics", headers={"api-key": "secret"}).status_code == 200
        assert client.http.get("/metrics", headers={"origin": "https://example.com"}).status_code == 403
        assert client.http.get("/healthz").json() == {"status": "ok"}


def test_an_observer_that_fails_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def fails(fact: Fact) -> None:
        raise ValueError(fact)

    told: list[Fact] = []
    fact = Replied(None, "m", 1.0)
    told_to(fails, told.append)(fact)
    assert told == [fact]
    assert [record.message for record in caplog.records] == ["a fact was not counted"]


def test_names_of_models_are_only_so_many(tmp_path: Path) -> None:
    meters = Meters(lambda: Kernels(0, 0, 0, 0), tmp_path)
    for number in range(2 * MODELS):
        meters(Replied(None, f"m{number}", 1.0, usage=Usage(prompt_tokens=1)))
        meters(Replied(None, f"never-{number}", 1.0, error="ModelRefused"))
    text, _ = meters.text("")
    lines = [line for line in text.decode().splitlines() if line.startswith("kernelci_")]
    replied = [line for line in lines if line.startswith("kernelci_model_seconds_count")]
    assert len(replied) == MODELS + 1
    assert f'kernelci_model_seconds_count{{model="other"}} {MODELS}.0' in replied
    assert f'kernelci_model_failures_total{{error="ModelRefused",model="other"}} {2 * MODELS}.0' in lines
