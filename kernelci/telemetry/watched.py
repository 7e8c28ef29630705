"""Decorators of the engine's ports, which tell what goes through them and change nothing of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import anyio

from kernelci.engine.events import ApprovalAsked, ApprovalGiven, Emit, Event, Recorded, RunMoved, UsageCounted
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.keys import Keys
from kernelci.engine.ports.model import Model, ModelRequest, Models, Reply
from kernelci.engine.ports.sessions import CellResult, MountedFile, OnOutput, SessionFile, Sessions
from kernelci.errors import KernelciError
from kernelci.protocol.keys import Key
from kernelci.protocol.objects import Run, RunStep
from kernelci.protocol.states import ACTIVE
from kernelci.protocol.usage import Price, Usage
from kernelci.telemetry.current import current
from kernelci.telemetry.facts import (
    ApprovalAnswered,
    ApprovalRequested,
    CellEnded,
    KeysChanged,
    Observer,
    Replied,
    RunEnded,
    RunMade,
    RunStarted,
    Whose,
)


@dataclass(frozen=True, slots=True)
class WatchedModels:
    """Models whose replies are told of."""

    models: Models
    tell: Observer

    @property
    def names(self) -> Sequence[str]:
        return self.models.names

    def serving(self, model: str) -> tuple[Model, str]:
        served, name = self.models.serving(model)
        return WatchedModel(served, self.tell), name

    def price(self, model: str) -> Price | None:
        return self.models.price(model)


@dataclass(frozen=True, slots=True)
class WatchedModel:
    """A model whose replies are told of."""

    model: Model
    tell: Observer

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        began = time.perf_counter()
        cost: Usage | None = None

        async def note(event: Event) -> None:
            nonlocal cost
            cost = event.usage if isinstance(event, UsageCounted) else cost
            await emit(event)

        try:
            reply = await self.model.reply(request, note)
        except BaseException as raised:
            self._tell(request, began, cost, error=_named(raised))
            raise
        self._tell(request, began, reply.usage, finish=reply.finish)
        return reply

    async def room(self, model: str) -> int | None:
        return await self.model.room(model)

    def _tell(
        self,
        request: ModelRequest,
        began: float,
        usage: Usage | None,
        *,
        finish: str | None = None,
        error: str | None = None,
    ) -> None:
        self.tell(
            Replied(
                whose=current(),
                model=request.model,
                seconds=time.perf_counter() - began,
                usage=usage,
                finish=finish,
                error=error,
                temperature=request.temperature,
                top_p=request.top_p,
                max_tokens=request.max_tokens,
            )
        )


@dataclass(frozen=True, slots=True)
class WatchedSessions:
    """Sessions whose cells are told of."""

    sessions: Sessions
    tell: Observer

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        began = time.perf_counter()
        try:
            result = await self.sessions.execute(session_id, code, files=files, on_output=on_output)
        except BaseException as raised:
            lost = time.perf_counter() - began
            self.tell(CellEnded(current(), session_id, seconds=lost, error=_named(raised)))
            raise
        seconds = time.perf_counter() - began - result.waited
        self.tell(CellEnded(current(), session_id, seconds, result.waited, result.status))
        return result

    async def look(self, session_id: str) -> str:
        return await self.sessions.look(session_id)

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        return await self.sessions.names(session_id, files)

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        return await self.sessions.file(session_id, path)

    async def close(self, session_id: str) -> None:
        await self.sessions.close(session_id)


@dataclass(slots=True)
class _Seen:
    """What has been seen of a run that goes on."""

    made: float
    started: float | None = None


class WatchedBus:
    """A bus whose runs are told of: how each begins and ends."""

    def __init__(self, bus: Bus, tell: Observer) -> None:
        self._bus = bus
        self._tell = tell
        self._seen: dict[str, _Seen] = {}

    @property
    def epoch(self) -> str:
        return self._bus.epoch

    def publish(self, recorded: Recorded) -> None:
        self._bus.publish(recorded)
        match recorded.event:
            case RunMoved() if isinstance(recorded.object, Run):
                self._moved(recorded.object, first=recorded.first)
            case ApprovalAsked() | ApprovalGiven() as event if isinstance(recorded.object, RunStep):
                self._tell(_of_approval(event, recorded.object))
            case _:
                pass

    def break_off(self, run_id: str, error: KernelciError) -> None:
        self._bus.break_off(run_id, error)

    def last(self, run_id: str) -> int:
        return self._bus.last(run_id)

    def kept(self, run_id: str) -> Sequence[Recorded]:
        return self._bus.kept(run_id)

    def follow(self, run_id: str, after: int = 0) -> AsyncIterator[Recorded]:
        return self._bus.follow(run_id, after)

    def _known(self, run_id: str) -> _Seen:
        return self._seen.setdefault(run_id, _Seen(time.perf_counter()))

    def _moved(self, run: Run, *, first: bool) -> None:
        seen, now = self._known(run.id), time.perf_counter()
        if first:
            self._tell(RunMade(Whose.of(run)))
        elif run.status not in ACTIVE:
            del self._seen[run.id]
            self._tell(_ended(run, seen, now))
        elif run.status == "in_progress" and seen.started is None:
            seen.started = now
            self._tell(RunStarted(Whose.of(run), now - seen.made))


def _of_approval(event: ApprovalAsked | ApprovalGiven, step: RunStep) -> ApprovalRequested | ApprovalAnswered:
    if isinstance(event, ApprovalAsked):
        return ApprovalRequested(step.run_id, step.thread_id, event.calls[0].id)
    return ApprovalAnswered(step.run_id, step.thread_id, event.call_id, event.answer.decision)


def _ended(run: Run, seen: _Seen, now: float) -> RunEnded:
    error = run.last_error.code if run.last_error else None
    return RunEnded(
        whose=Whose.of(run),
        status=run.status,
        error=error or (run.incomplete_details.reason if run.incomplete_details else None),
        turns=run.turns,
        usage=run.usage or Usage(),
        seconds=None if seen.started is None else now - seen.started,
    )


class WatchedKeys:
    """Keys whose coming and going is told of, once it counts: they are changed by another process."""

    def __init__(self, keys: Keys, tell: Observer) -> None:
        self._keys = keys
        self._tell = tell
        self._known: tuple[Key, ...] | None = None

    async def all(self) -> tuple[Key, ...]:
        found = await self._keys.all()
        known, self._known = self._known, found
        if known is not None and known is not found:
            before, now = frozenset(key.digest for key in known), frozenset(key.digest for key in found)
            if before != now:
                self._tell(
                    KeysChanged(
                        added=frozenset(key.name for key in found if key.digest not in before),
                        revoked=frozenset(key.name for key in known if key.digest not in now),
                    )
                )
        return found

    async def note_use(self, key: Key) -> None:
        await self._keys.note_use(key)


def _named(raised: BaseException) -> str:
    return "cancelled" if isinstance(raised, anyio.get_cancelled_exc_class()) else type(raised).__name__
