"""Whatever page is asked for, of whatever list there is, it is what a slice of the plain list would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.engine.service import Service
from kernelci.protocol.objects import MessageCreation, MessageId, Run, RunStep
from tests.api.test_assistants import file_id, make
from tests.api.test_threads import say, thread

V1 = {"openai-beta": "assistants=v1"}
COUNT = 6
unhurried = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
async def lists(service: Service, api: httpx2.AsyncClient) -> Mapping[str, Sequence[str]]:
    """The ids in each list there is, by its path, oldest first."""
    files = [await file_id(api) for _ in range(COUNT)]
    resources = {"code_interpreter": {"file_ids": files}}
    assistants = [(await make(api, tool_resources=resources))["id"] for _ in range(COUNT)]
    id = (await thread(api))["id"]
    code = [{"type": "code_interpreter"}]
    attachments = [{"file_id": each, "tools": code} for each in files]
    messages = [(await say(api, id, attachments=attachments))["id"] for _ in range(COUNT)]
    ours = {"thread_id": id, "assistant_id": assistants[0], "created_at": 1}
    runs = [Run.model_validate({"id": f"run_{n}", "model": "m", "status": "expired", **ours}) for n in range(COUNT)]
    said = MessageCreation(message_creation=MessageId(message_id="msg_1"))
    step = {"run_id": "run_0", "type": "message_creation", "step_details": said, **ours}
    steps = [RunStep.model_validate({"id": f"step_{n}", **step}) for n in range(COUNT)]
    await service.store.put(*runs, *steps)
    return {
        "/assistants": assistants,
        f"/assistants/{assistants[0]}/files": files,
        "/files": files,
        f"/threads/{id}/messages": messages,
        f"/threads/{id}/messages/{messages[0]}/files": files,
        f"/threads/{id}/runs": [run.id for run in runs],
        f"/threads/{id}/runs/run_0/steps": [step.id for step in steps],
    }


places = st.none() | st.integers(0, COUNT - 1)


@given(
    limit=st.none() | st.integers(1, COUNT + 2),
    order=st.none() | st.sampled_from(["asc", "desc"]),
    after=places,
    before=places,
)
@unhurried
async def test_a_page_is_a_slice(
    api: httpx2.AsyncClient,
    lists: Mapping[str, Sequence[str]],
    limit: int | None,
    order: str | None,
    after: int | None,
    before: int | None,
) -> None:
    for path, ids in lists.items():
        asked = {"limit": limit, "order": order, "after": _at(ids, after), "before": _at(ids, before)}
        if path == "/files":
            asked["before"] = None
        query = {name: value for name, value in asked.items() if value is not None}
        listed = (await api.get(f"/v1{path}", params=query, headers=V1)).json()
        assert ([each["id"] for each in listed["data"]], listed["has_more"]) == a_slice(ids, **asked), path


@given(limit=st.integers(1, COUNT + 1), order=st.sampled_from(["asc", "desc"]), backwards=st.booleans())
@unhurried
async def test_page_after_page_is_the_list(
    api: httpx2.AsyncClient, lists: Mapping[str, Sequence[str]], limit: int, order: str, backwards: bool
) -> None:
    for path, ids in lists.items():
        if backwards and path == "/files":
            continue
        query: dict[str, Any] = {"limit": limit, "order": order}
        seen: list[str] = []
        more = True
        if backwards:
            query["before"] = ids[-1 if order == "asc" else 0]
        while more:
            page = (await api.get(f"/v1{path}", params=query, headers=V1)).json()
            more, found = page["has_more"], [each["id"] for each in page["data"]]
            seen = [*found, *seen] if backwards else [*seen, *found]
            query["before" if backwards else "after"] = page["first_id" if backwards else "last_id"]
        whole = list(ids) if order == "asc" else list(reversed(ids))
        assert seen == (whole[:-1] if backwards else whole), path


async def test_a_cursor_that_is_not_in_the_list_is_refused(
    api: httpx2.AsyncClient, lists: Mapping[str, Sequence[str]]
) -> None:
    for path in lists:
        for name in ("after", "before"):
            if (path, name) != ("/files", "before"):
                refused = await api.get(f"/v1{path}", params={name: "asst_elsewhere"}, headers=V1)
                assert (refused.status_code, refused.json()["error"]["param"]) == (400, name), path


def a_slice(
    ids: Sequence[str], *, limit: int | None, order: str | None, after: str | None, before: str | None
) -> tuple[list[str], bool]:
    """The page of a plain list, and whether there is more in its direction."""
    ordered = list(ids) if order == "asc" else list(reversed(ids))
    start = ordered.index(after) + 1 if after else 0
    end = ordered.index(before) if before else len(ordered)
    between = ordered[start:end]
    size = limit or 20
    return (between[-size:] if before and not after else between[:size]), len(between) > size


def _at(ids: Sequence[str], place: int | None) -> str | None:
    return None if place is None else ids[place]
