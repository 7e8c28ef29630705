"""In which order things were made, as far as an export tells. Pure functions.

The order matters: it is that of the API's lists, of the notebook, and of what a model is told. Objects have whole
seconds only; within one it is the place in the list that counts, and lists run either way: the API's begin with the
newest, unless they are asked for otherwise.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from kernelci.protocol.objects import Message, MessageCreation, Object, Run, RunStep

ObjectT = TypeVar("ObjectT", bound=Object)


def oldest_first(listed: Iterable[ObjectT], way: int = 0) -> list[ObjectT]:
    """The objects of a list in the order of their times; `way` is as for `as_made`."""
    return sorted(as_made(listed, way), key=_time)


def as_made(listed: Iterable[ObjectT], way: int = 0) -> list[ObjectT]:
    """A list from its beginning in time on; where its own times do not tell, it falls if `way` is below 0."""
    given = list(listed)
    return given[::-1] if (_trend(given) or way) < 0 else given


def conversation(
    messages: Sequence[Message], runs: Sequence[Run], steps: Sequence[RunStep]
) -> Iterator[Message | Run | RunStep]:
    """A thread: what was posted, each run after what it was asked, and what it did right after it.

    While a thread has a run nothing else happens in it; what was posted meanwhile had to wait. Each step is a turn
    of its run: which of them one reply made cannot be told any more.
    """
    done: dict[str, list[RunStep]] = {run.id: [] for run in runs}
    for step in steps:
        done[step.run_id].append(step)
    way = _way(messages, runs, done)
    writers = {id: step.run_id for step in steps if (id := _written_by(step))}
    listed = as_made(messages, way)
    places = {message.id: place for place, message in enumerate(listed)}
    posted: list[Message] = []
    answers: dict[str, list[Message]] = {run.id: [] for run in runs}
    for message in listed:
        by = writers.get(message.id, message.run_id or "") if message.role == "assistant" else ""
        answers.get(by, posted).append(message)
    posted.sort(key=_time)
    ordered = oldest_first(runs, way)
    told = 0
    for run, before in zip(ordered, _asked_before(ordered, posted, answers, places), strict=True):
        yield from posted[told:before]
        told = before
        yield run
        yield from _done(oldest_first(done[run.id], way), answers[run.id])
    yield from posted[told:]


def _asked_before(
    runs: Sequence[Run],
    posted: Sequence[Message],
    answers: Mapping[str, Sequence[Message]],
    places: Mapping[str, int],
) -> list[int]:
    """How many of the posted messages came before each run; it is in its second that there is a doubt.

    There the answers tell. A run without any leaves the next one a message to be asked by, if it has one itself.
    """
    times = [message.created_at for message in posted]
    counts: list[int] = []
    most = len(posted) + 1
    for run in reversed(runs):
        least, count = bisect_left(times, run.created_at), bisect_right(times, run.created_at)
        if answers[run.id]:
            began = min(places[message.id] for message in answers[run.id])
            count = least + sum(places[message.id] < began for message in posted[least:count])
        else:
            count = max(least, 1, min(count, most - 1))
        most = min(count, most)
        counts.append(most)
    return counts[::-1]


def _done(steps: Sequence[RunStep], answers: Sequence[Message]) -> Iterator[RunStep | Message]:
    """What a run did: a message comes right after the step that made it, or when its time comes."""
    left = {message.id: message for message in answers}
    turns = [step.model_copy(update={"turn": turn}) for turn, step in enumerate(steps)]
    made = {_written_by(step) for step in steps}
    for object in sorted([*turns, *(message for message in answers if message.id not in made)], key=_time):
        yield object
        if isinstance(object, RunStep) and (message := left.pop(_written_by(object), None)):
            yield message


def _way(messages: Sequence[Message], runs: Sequence[Run], steps: Mapping[str, Sequence[RunStep]]) -> int:
    """Which way the lists of a thread run where their times do not tell: as the others do.

    Where no time tells, a conversation does not begin with an answer and end with a question.
    """
    times = _trend(messages) + _trend(runs) + sum(_trend(each) for each in steps.values())
    if times or not messages:
        return times
    return (messages[-1].role == "assistant") - (messages[0].role == "assistant")


def _trend(listed: Sequence[Object]) -> int:
    """Above 0 where times rise along a list, below 0 where they fall, 0 where they do not tell."""
    return sum(
        (after.created_at > before.created_at) - (after.created_at < before.created_at)
        for before, after in pairwise(listed)
    )


def _time(object: Object) -> int:
    return object.created_at


def _written_by(step: RunStep) -> str:
    details = step.step_details
    return details.message_creation.message_id if isinstance(details, MessageCreation) else ""
