"""The order of a thread, told by whole seconds and by lists that may run either way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.imports.order import conversation, oldest_first
from kernelci.protocol.objects import (
    Assistant,
    Message,
    MessageCreation,
    MessageId,
    Run,
    RunStep,
    ToolCalls,
)

Item = Message | Run | RunStep


def asked(id: str, at: int = 0) -> Message:
    return Message(id=id, created_at=at, thread_id="t", role="user")


def run(id: str, at: int = 0) -> Run:
    return Run(id=id, created_at=at, thread_id="t", assistant_id="a", model="m", status="completed")


def answer(id: str, by: str, at: int = 0) -> Message:
    return Message(id=id, created_at=at, thread_id="t", role="assistant", run_id=by)


def step(id: str, by: str, at: int = 0, writing: str = "") -> RunStep:
    return RunStep(
        id=id,
        created_at=at,
        run_id=by,
        assistant_id="a",
        thread_id="t",
        status="completed",
        type="message_creation" if writing else "tool_calls",
        step_details=MessageCreation(message_creation=MessageId(message_id=writing)) if writing else ToolCalls(),
    )


def arranged(items: Iterable[Item], *, falling: bool = False) -> list[str]:
    """The ids in the order that is found for these objects, which come in a list of each kind."""
    given = list(items)[::-1] if falling else list(items)
    found = conversation(
        [each for each in given if isinstance(each, Message)],
        [each for each in given if isinstance(each, Run)],
        [each for each in given if isinstance(each, RunStep)],
    )
    return [each.id for each in found]


def ids(items: Iterable[Item]) -> list[str]:
    return [each.id for each in items]


CHAT = [
    asked("u1"),
    run("r1"),
    step("s1", "r1", writing="a1"),
    answer("a1", "r1"),
    asked("u2"),
    asked("u3"),
    run("r2"),
    step("s2", "r2", writing="a2"),
    answer("a2", "r2"),
    step("s3", "r2"),
    step("s4", "r2", writing="a3"),
    answer("a3", "r2"),
]
"""All in one second, as a quick model answers."""


@pytest.mark.parametrize("falling", [False, True])
def test_within_one_second_the_lists_tell(falling: bool) -> None:
    assert arranged(CHAT, falling=falling) == ids(CHAT)
    without_steps = [each for each in CHAT if not isinstance(each, RunStep)]
    assert arranged(without_steps, falling=falling) == ids(without_steps)


@pytest.mark.parametrize("falling", [False, True])
def test_steps_of_one_second_run_the_way_that_the_rest_does(falling: bool) -> None:
    items = [asked("u", 1), run("r", 1), step("s1", "r", 2), step("s2", "r", 2, "a"), answer("a", "r", 3)]
    assert arranged(items, falling=falling) == ids(items)


def test_the_steps_of_a_run_are_its_turns() -> None:
    steps = [step("s1", "r"), step("s2", "r"), step("s3", "q")]
    found = conversation([], [run("r"), run("q")], steps)
    assert [(each.id, each.turn) for each in found if isinstance(each, RunStep)] == [
        ("s1", 0),
        ("s2", 1),
        ("s3", 0),
    ]


def test_what_was_posted_during_a_run_had_to_wait_for_its_end() -> None:
    items = [
        *(asked("u1"), run("r1"), step("s1", "r1", 5, "a1"), answer("a1", "r1", 6)),
        *(asked("u2", 0), run("r2", 3), step("s2", "r2", 7, "a2"), answer("a2", "r2", 8)),
    ]
    assert arranged(items) == ids(items)


def test_an_answer_comes_after_its_question_within_a_second() -> None:
    """Every second question is asked in the second in which the answer to the one before it ended."""
    items = [
        *(asked("u1", 0), run("r1", 0), step("s1", "r1", 1, "a1"), answer("a1", "r1", 1)),
        *(asked("u2", 1), run("r2", 1), step("s2", "r2", 3, "a2"), answer("a2", "r2", 3)),
    ]
    assert arranged(items) == arranged(items, falling=True) == ids(items)


def test_runs_that_failed_stand_after_what_they_were_asked() -> None:
    failed = [asked("u1"), run("r1"), asked("u2"), run("r2"), step("s", "r2", 0, "a"), answer("a", "r2")]
    assert arranged(failed) == ids(failed)
    again = [asked("u1"), run("r1"), run("r2"), answer("a", "r2")]
    assert arranged(again) == ids(again)
    both = [asked("u1"), asked("u2"), run("r1")]
    assert arranged(both) == ids(both)


def test_what_belongs_to_nothing_that_is_there_has_its_own_place() -> None:
    items = [answer("a1", "lost", 1), asked("u", 2), run("r", 2), step("s", "r", 2, "lost"), answer("a2", "r", 3)]
    assert arranged(items) == ids(items)
    assert arranged([step("s1", "r", 1, "a"), step("s2", "r", 2, "a"), run("r"), answer("a", "r", 1)]) == [
        *("r", "s1", "a", "s2")
    ]


def test_a_list_begins_with_its_oldest_whichever_way_it_runs() -> None:
    made = [Assistant(id=id, created_at=at, model="m") for id, at in (("a", 1), ("b", 2), ("c", 2), ("d", 3))]
    assert oldest_first(made) == oldest_first(made[::-1]) == made
    assert oldest_first(made[3:] + made[:3]) == made


@st.composite
def _threads(draw: st.DrawFn) -> Sequence[Item]:
    """A thread as it comes to be: questions, then a run that answers, step by step."""
    number, now = count(), 0
    items: list[Item] = []

    def at() -> int:
        nonlocal now
        now += draw(st.sampled_from((0, 0, 1)))
        return now

    for _ in range(draw(st.integers(1, 4))):
        items += [asked(f"u{next(number)}", at()) for _ in range(draw(st.integers(1, 2)))]
        items.append(run(by := f"r{next(number)}", at()))
        for kind in [*draw(st.lists(st.booleans(), max_size=3)), True]:
            id = next(number)
            items.append(step(f"s{id}", by, at(), f"a{id}" if kind else ""))
            items += [answer(f"a{id}", by, at())] if kind else []
    return items


@given(items=_threads(), falling=st.booleans())
def test_every_thread_is_as_it_was(items: Sequence[Item], falling: bool) -> None:
    assert arranged(items, falling=falling) == ids(items)
