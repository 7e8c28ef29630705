"""What `/metrics` tells, and to whom."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from kernelci.engine.events import Emit, Event, Recorded, RunMoved, UsageCounted
from kernelci.engine.ports.model import ModelRequest, Reply
from kernelci.errors import ModelUnavailable
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol.objects import Run
from kernelci.protocol.usage import Usage
from kernelci.sessions.pool import Kernels
from kernelci.store.bus import JournalBus
from kernelci.telemetry.facts import Fact, Replied, RunEnded, told_to
from kernelci.telemetry.meters import Meters
from kernelci.telemetry.names import MODELS
from kernelci.telemetry.watched import WatchedBus, WatchedModel
from tests.telemetry.conftest import Client, served


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


def test_a_run_that_waits_for_a_person_is_seen_in_log_and_metrics_after_a_restart_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = "kernelci_runs_going_on{'state': 'waiting for approval'}"
    with caplog.at_level(logging.INFO, "kernelci"):
        with served(tmp_path, approval="code") as client:
            run, call = begun_and_asked(client)
            told = client.metrics()
            assert (told[state], told["kernelci_runs_going_on{'state': 'started'}"]) == (1, 0)
        with served(tmp_path, ScriptedModel([Turn(text="No.")])) as client:
            assert client.metrics()[state] == 1
            no = {"decision": "reject", "reason": "a secret reason"}
            assert client.http.post(f"{run}/approvals/{call}", json=no).status_code == 200
            assert client.metrics()[state] == 0
    lines = [vars(record) for record in caplog.records if "approval" in str(vars(record).get("action"))]
    ids = {"run_id": run.rpartition("/")[2], "thread_id": run.split("/")[3], "call_id": call}
    asked, answered = ({key: line.get(key) for key in ("action", *ids, "decision")} for line in lines)
    assert asked == {"action": "approval_requested", **ids, "decision": None}
    assert answered == {"action": "approval_answered", **ids, "decision": "reject"}
    assert not any("6*7" in str(line) or "secret reason" in str(line) for line in lines)


def begun_and_asked(client: Client) -> tuple[str, str]:
    """A run whose code waits, by its path, and the call."""
    assistant = {"model": "m", "tools": [{"type": "code_interpreter"}]}
    asked = {"assistant_id": client.http.post("/v1/assistants", json=assistant).json()["id"]}
    begun = client.http.post("/v1/threads/runs", json=asked).json()
    run = f"/v1/threads/{begun['thread_id']}/runs/{begun['id']}"
    while client.http.get(run).json()["status"] in {"queued", "in_progress"}:
        if waiting := client.http.get(f"{run}/approvals").json()["data"]:
            return run, waiting[0]["id"]
    raise AssertionError("the run has ended without asking")


def test_metrics_are_behind_the_door_and_health_is_not(tmp_path: Path) -> None:
    with served(tmp_path, api_key=SecretStr("secret"), strict=True) as client:
        assert client.http.get("/metrics").status_code == 401
        assert client.http.get("/metrics", headers={"api-key": "secret"}).status_code == 200
        assert client.http.get("/metrics", headers={"origin": "https://example.com"}).status_code == 403
        assert client.http.get("/healthz").json() == {"status": "ok"}


async def test_a_reply_that_breaks_off_is_counted_with_what_it_has_cost() -> None:
    class BreaksOff:
        async def room(self, model: str) -> int | None:
            return None

        async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
            await emit(UsageCounted(Usage(prompt_tokens=30, completion_tokens=7)))
            raise ModelUnavailable("It broke off.")

    async def ignore(event: Event) -> None:
        del event

    meters = Meters(lambda: Kernels(0, 0, 0, 0), Path("/"))
    with pytest.raises(ModelUnavailable):
        await WatchedModel(BreaksOff(), meters).reply(ModelRequest("m", ()), ignore)
    lines = meters.text("")[0].decode().splitlines()
    assert 'kernelci_tokens_total{direction="input",model="other"} 30.0' in lines
    assert 'kernelci_tokens_total{direction="output",model="other"} 7.0' in lines


def test_a_run_that_ends_after_a_restart_has_had_all_its_turns() -> None:
    told: list[Fact] = []
    run = Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m", turns=3)
    ended = run.model_copy(update={"status": "cancelled"})
    WatchedBus(JournalBus(), told.append).publish(Recorded(1, run.id, RunMoved("cancelled"), ended))
    (fact,) = told
    assert isinstance(fact, RunEnded)
    assert (fact.status, fact.turns) == ("cancelled", 3)


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
