"""Code that waits for a person, over HTTP: what he is shown, what he answers, and who may ask for the wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from inline_snapshot import snapshot

from kernelci.api.dialects.choice import Dialect
from kernelci.api.sse import EventStream
from kernelci.engine.events import (
    ApprovalAsked,
    ApprovalGiven,
    Call,
    CodeDelta,
    CodeDone,
    Output,
    OutputDelta,
    RunMoved,
    TurnOpened,
)
from kernelci.engine.service import Service
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol.calls import Answer
from kernelci.protocol.objects import Logs
from tests.api.conftest import answered, app_of, client_of, service_in
from tests.api.journal import journal
from tests.api.oracle import judged_stream
from tests.api.test_assistants import make
from tests.api.test_events import outline, rendered
from tests.api.test_runs import begin, ended
from tests.api.test_sse import received, replayed
from tests.api.test_threads import thread

TRICK = "x = 1  # \u202e}nuf{\u202c\x1b[2K"
MODEL = ScriptedModel([Turn(code=TRICK), Turn(text="done")])
CODE = [{"type": "code_interpreter"}]
ON = {"kernelci.approval": "code"}
EDITED = [
    RunMoved("in_progress"),
    TurnOpened(0),
    CodeDelta("call_1", "x = 1"),
    ApprovalAsked((Call("call_1", "code_interpreter", "", "x = 1"),)),
    ApprovalGiven("call_1", Answer(decision="edit", code="x = 2\nx")),
    CodeDone("call_1", "x = 2\nx"),
    OutputDelta("call_1", Logs(logs="2")),
    Output("call_1", "ok"),
    RunMoved("completed"),
]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    async with service_in(tmp_path, MODEL) as service:
        yield service


async def asked(api: httpx2.AsyncClient, run: dict[str, Any], base: str = "/v1") -> tuple[str, dict[str, Any]]:
    """The run's approvals, and what waits there, once something does."""
    path = f"{base}/threads/{run['thread_id']}/runs/{run['id']}/approvals"
    while (await api.get(path.removesuffix("/approvals"))).json()["status"] in {"queued", "in_progress"}:
        if data := answered(await api.get(path))["data"]:
            return path, data[0]
    raise AssertionError("the run has ended without asking")


async def waiting(api: httpx2.AsyncClient, **fields: Any) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """A run whose code waits, with its approvals and the one there is."""
    assistant, made = await make(api, tools=CODE), await thread(api)
    run = await begin(api, made["id"], assistant["id"], **fields)
    return run, *(await asked(api, run))


async def test_a_person_sees_what_hides_and_says_yes(service: Service, api: httpx2.AsyncClient) -> None:
    run, path, found = await waiting(api, metadata=ON)
    assert (found["code"], found["shown"]) == (TRICK, "x = 1  # <U+202E>}nuf{<U+202C><U+001B>[2K")
    assert found["warnings"] == [
        "U+202E (right-to-left override) in line 1",
        "U+202C (pop directional formatting) in line 1",
        "U+001B (escape, which commands a terminal) in line 1",
    ]
    shown = answered(await api.get(path.removesuffix("/approvals")))
    assert (shown["status"], shown["expires_at"], shown["required_action"]) == ("in_progress", None, None)
    given = answered(await api.post(f"{path}/{found['id']}", json={"decision": "approve"}))
    assert given == {**found, "decision": "approve", "reason": ""}
    await ended(service, run["id"])
    assert answered(await api.get(path))["data"] == []
    assert (await api.get(path.removesuffix("/approvals"))).json()["status"] == "completed"
    (again,) = [await api.post(f"{path}/{found['id']}", json={"decision": "reject"})]
    assert (again.status_code, again.json()["error"]["message"]) == (
        400,
        f"The call '{found['id']}' has been answered, or is not waited for any more.",
    )


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "decision", "missing_required_parameter"),
        ({"decision": "yes"}, "decision", "invalid_value"),
        ({"decision": "edit"}, "code", "missing_required_parameter"),
        ({"decision": "edit", "code": " "}, "code", "missing_required_parameter"),
        ({"decision": "edit", "code": 1}, "code", "invalid_type"),
        ({"decision": "approve", "code": "x"}, "code", "invalid_value"),
        ({"decision": "reject", "reason": ["x"]}, "reason", "invalid_type"),
    ],
)
async def test_an_unclear_answer_is_none(api: httpx2.AsyncClient, body: Any, param: str, code: str) -> None:
    _, path, found = await waiting(api, metadata=ON)
    refused = await api.post(f"{path}/{found['id']}", json=body)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert answered(await api.get(path))["data"] == [found]


async def test_a_call_that_nobody_was_asked_about_is_not_found(api: httpx2.AsyncClient) -> None:
    _, path, _ = await waiting(api, metadata=ON)
    unknown = await api.post(f"{path}/call_other", json={"decision": "approve"})
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (
        404,
        "No approval found with id 'call_other'.",
    )


@pytest.mark.parametrize("base", ["/v1", "/openai/v1", "/openai"])
async def test_every_surface_has_it(service: Service, base: str) -> None:
    async with client_of(app_of(service)) as api:
        api.params = {"api-version": "2024-02-15-preview"} if base == "/openai" else {}
        run, _, _ = await waiting(api, metadata=ON)
        path, found = await asked(api, run, base)
        body = {"decision": "reject", "reason": "no"}
        assert (await api.post(f"{path}/{found['id']}", json=body)).json()["reason"] == "no"


@pytest.mark.parametrize("who", ["server", "assistant", "thread", "run", "nobody"])
async def test_anybody_can_ask_for_the_wait_and_nobody_against_it(tmp_path: Path, who: str) -> None:
    off = {"kernelci.approval": "off"}
    said = {each: {"metadata": ON if each == who else off} for each in ("assistant", "thread", "run")}
    async with (
        service_in(tmp_path, MODEL, approval="code" if who == "server" else "off") as service,
        client_of(app_of(service)) as api,
    ):
        assistant = await make(api, tools=CODE, **said["assistant"])
        runs = [
            await begin(api, (await thread(api, **said["thread"]))["id"], assistant["id"], **said["run"]),
            (
                await api.post(
                    "/v1/threads/runs",
                    json={"assistant_id": assistant["id"], "thread": said["thread"], **said["run"]},
                )
            ).json(),
        ]
        for run in runs:
            if who == "nobody":
                await ended(service, run["id"])
            else:
                await asked(api, run)
            await api.post(f"/v1/threads/{run['thread_id']}/runs/{run['id']}", json={"metadata": off})
            status = (await api.get(f"/v1/threads/{run['thread_id']}/runs/{run['id']}")).json()["status"]
            assert status == ("completed" if who == "nobody" else "in_progress")


async def test_a_wish_that_is_mistyped_is_refused_not_passed_over(api: httpx2.AsyncClient) -> None:
    assistant, made = await make(api, tools=CODE, metadata={"kernelci.approval": "yes"}), await thread(api)
    refused = await api.post(f"/v1/threads/{made['id']}/runs", json={"assistant_id": assistant["id"]})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "Invalid metadata 'kernelci.approval': 'yes'. Supported values are: 'off' and 'code'.",
    )


def test_a_stream_tells_of_the_wait_in_old_words_and_an_edit_as_a_whole() -> None:
    assert outline(rendered(journal(*EDITED)))[3:] == snapshot(
        [
            "thread.run.step.created",
            "thread.run.step.in_progress",
            {
                "index": 0,
                "type": "code_interpreter",
                "id": "call_1",
                "code_interpreter": {"input": "", "outputs": []},
            },
            {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": "x = 1"}},
            "thread.run.step.in_progress",
            "thread.run.step.in_progress",
            {
                "index": 0,
                "type": "code_interpreter",
                "code_interpreter": {"outputs": [{"index": 0, "type": "logs", "logs": "2"}]},
            },
            "thread.run.step.completed",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            {"index": 0, "type": "text", "text": {"value": "", "annotations": []}},
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
        ]
    )
    told = [data for name, data in rendered(journal(*EDITED)) if name == "thread.run.step.in_progress"]
    inputs = [
        [call["code_interpreter"]["input"] for call in each["step_details"].get("tool_calls", [])] for each in told
    ]
    assert inputs == [[], ["x = 1"], ["x = 2\nx"], []]


async def test_who_follows_our_own_events_is_asked_there() -> None:
    body = await received(EventStream(replayed(journal(*EDITED)), Dialect(), epoch="e"))
    ours = [(name, data) for name, data in judged_stream(body.decode()) if "approval" in name]
    assert [(name, data["code"], data["decision"]) for name, data in ours] == [
        ("thread.run.approval.requested", "x = 1", None),
        ("thread.run.approval.answered", "x = 2\nx", "edit"),
    ]
    run_stream = await received(EventStream(replayed(journal(*EDITED)), Dialect()))
    assert b"approval" not in run_stream
