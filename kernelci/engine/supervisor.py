"""Which runs are being driven: starts, cancels, expires and resumes them, and heals what a crash left.

One task a run, from `queued` to its end; while a run waits for the client, so does its task. The loop inside
knows nothing of this.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, suppress
from itertools import chain, repeat
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from kernelci.engine.driven import Driven, GoingOn
from kernelci.engine.driver import Driver
from kernelci.engine.events import ApprovalGiven, OutputsSubmitted, RunMoved
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.store import Store
from kernelci.engine.ports.transcripts import Transcripts
from kernelci.engine.recorder import Recorder
from kernelci.errors import IllegalMove, InvalidRequest, KernelciError, NotFound, RunFailure, in_words
from kernelci.protocol.calls import Answer
from kernelci.protocol.objects import LastError, Message, MessageCreation, Run, RunStep
from kernelci.protocol.states import ACTIVE

logger = logging.getLogger(__name__)

_STOPPED = "The server was stopped while this run was in progress. Its thread can be used on."
_NOT_STORED = "What the run did could not be stored: look at the server's log. Its thread can be used on."


class Supervisor:
    """Drives runs while it is entered; those that it leaves behind are healed at the next start."""

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        transcripts: Transcripts,
        driver: Driver,
    ) -> None:
        self._store = store
        self._bus = bus
        self._transcripts = transcripts
        self._driver = driver
        self._driven: dict[str, Driven] = {}
        self._stack = AsyncExitStack()
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        await self._heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks:
            self._tasks.cancel_scope.cancel()
        await self._stack.__aexit__(kind, error, trace)

    @property
    def going_on(self) -> list[GoingOn]:
        """Where each run stands that is being driven."""
        return [driven.state for driven in self._driven.values()]

    async def start(self, run: Run) -> None:
        """Begin to drive a run that has just been stored as queued."""
        driven = self._adopt(run)
        driven.recorder.announce()

    async def cancel(self, run: Run) -> Run:
        """Stop a run, which the caller has from the store; gives it as `cancelling`.

        Raises:
            IllegalMove: it has ended, or is being cancelled.
        """
        driven = self._driven.get(run.id)
        if driven is None:
            raise IllegalMove(f"Cannot cancel run with status '{run.status}'.")
        return await self._call_off(driven)

    async def submit(self, run: Run, outputs: dict[str, str]) -> Run:
        """Give a waiting run, which the caller has from the store, its outputs by call id; gives it as `queued`.

        Raises:
            IllegalMove: it does not wait for outputs.
            InvalidRequest: not exactly the outputs it waits for.
        """
        driven = self._driven.get(run.id)
        action = driven.run.required_action if driven else None
        if driven is None or action is None:
            status = driven.run.status if driven else run.status
            raise IllegalMove(f'Runs in status "{status}" do not accept tool outputs.')
        wanted = [call.id for call in action.submit_tool_outputs.tool_calls]
        if sorted(wanted) != sorted(outputs):
            raise InvalidRequest(f"Expected tool outputs for call_ids {wanted}, got {list(outputs)}")
        try:
            await driven.recorder.accept(OutputsSubmitted(outputs))
        except IllegalMove as late:
            raise IllegalMove(f'Runs in status "{driven.run.status}" do not accept tool outputs.') from late
        queued = driven.run
        driven.answered.set()
        return queued

    async def answer(self, run: Run, call_id: str, answer: Answer) -> None:
        """Give a run, which the caller has from the store, a person's word on the call that it waits for.

        Raises:
            IllegalMove: it does not wait for that.
        """
        driven = self._driven.get(run.id)
        if driven is None:
            raise IllegalMove(f"Runs in status '{run.status}' do not accept answers.")
        await driven.recorder.accept(ApprovalGiven(call_id, answer))
        driven.answered.set()

    def amend(self, changed: Run | Message) -> None:
        """Let a run that is being driven know of metadata that a client has changed in the store."""
        driven = self._driven.get((changed.id if isinstance(changed, Run) else changed.run_id) or "")
        if driven:
            driven.recorder.amend(changed)

    async def abandon(self, thread_id: str) -> None:
        """Stop the thread's runs, those that wait first, and wait for their end: the thread is about to go."""
        for driven in reversed(self._of(thread_id)):
            with suppress(IllegalMove):  # it is ending by itself
                await self._call_off(driven)
            await driven.ended.wait()

    async def _call_off(self, driven: Driven) -> Run:
        try:
            await driven.recorder.emit(RunMoved("cancelling"))
        except IllegalMove as ended:
            raise IllegalMove(f"Cannot cancel run with status '{driven.run.status}'.") from ended
        finally:
            if (cancelling := driven.run).status == "cancelling":
                driven.scope.cancel()  # even where that could not be stored: its end may be, later
        return cancelling

    async def _heal(self) -> None:
        """Take up what an earlier server left: waiting and queued runs go on, the rest failed with it."""
        for run in await self._store.active_runs():
            steps = await self._steps(run)
            asks = run.status == "in_progress" and steps and steps[-1].asks
            if asks or run.status in {"queued", "requires_action"}:
                self._adopt(run, steps)
            else:
                await self._lay_to_rest(run, _STOPPED)

    async def _lay_to_rest(self, run: Run, why: str) -> None:
        """End a stored run that nobody drives."""
        steps = await self._steps(run)
        recorder = self._recorder(run, steps, await self._being_written(steps))
        if run.status == "cancelling":
            await recorder.emit(RunMoved("cancelled"))
        else:
            await recorder.emit(RunMoved("failed", error=LastError(code="server_error", message=why)))
        self._wake(run.thread_id)
        logger.warning("run healed", extra={"action": "run_healed", "run_id": run.id})

    async def _being_written(self, steps: tuple[RunStep, ...]) -> Message | None:
        """The message that the last step had begun to write when all stopped."""
        details = steps[-1].step_details if steps and steps[-1].status == "in_progress" else None
        if not isinstance(details, MessageCreation):
            return None
        return await self._store.find(Message, details.message_creation.message_id)

    async def _steps(self, run: Run) -> tuple[RunStep, ...]:
        return await self._store.all(RunStep, within=run.id)

    def _recorder(self, run: Run, steps: tuple[RunStep, ...] = (), message: Message | None = None) -> Recorder:
        return Recorder(
            run=run,
            steps=steps,
            message=message,
            store=self._store.of(run.owner),
            bus=self._bus,
            transcripts=self._transcripts,
            meanwhile=self._running.start_soon,
        )

    def _adopt(self, run: Run, steps: tuple[RunStep, ...] = ()) -> Driven:
        driven = self._driven[run.id] = Driven(self._recorder(run, steps))
        self._running.start_soon(self._drive, driven, name=run.id)
        return driven

    @property
    def _running(self) -> TaskGroup:
        if self._tasks is None:
            raise AssertionError("the supervisor is not running")
        return self._tasks

    async def _drive(self, driven: Driven) -> None:
        """A run's whole life, and its end whatever happens."""
        try:
            with driven.scope:
                await self._attempt(driven)
            if driven.run.status == "cancelling":
                await driven.emit(RunMoved("cancelled"))
        except NotFound:
            logger.info("a run's thread was deleted", extra={"action": "run_gone", "run_id": driven.run.id})
            driven.recorder.give_up()
        except Exception:
            logger.exception("a run's end was not stored", extra={"action": "run_lost", "run_id": driven.run.id})
            self._forget(driven)  # who deletes its thread, perhaps to make room, must not wait for it
            await self._end_late(driven)
        finally:
            self._forget(driven)

    def _forget(self, driven: Driven) -> None:
        self._driven.pop(driven.run.id, None)
        driven.ended.set()
        self._wake(driven.run.thread_id)

    def _of(self, thread_id: str) -> list[Driven]:
        """A thread's runs, in the order in which they were taken up."""
        return [each for each in self._driven.values() if each.run.thread_id == thread_id]

    def _wake(self, thread_id: str) -> None:
        """Have the thread's waiting runs look whose turn it is."""
        for driven in self._of(thread_id):
            driven.turn.set()

    async def _its_turn(self, driven: Driven) -> None:
        """Wait until no run is before this one in its thread. The store says so, and gave it the thread."""
        while driven.run.waiting:
            driven.turn = anyio.Event()
            stored = await self._store.get(Run, driven.run.id)
            if stored.waiting:
                await driven.turn.wait()
            else:
                driven.recorder.take_turn(stored)

    async def _attempt(self, driven: Driven) -> None:
        """Drive the run; what goes wrong becomes its end."""
        try:
            await self._until_ended(driven)
        except RunFailure as failure:
            await self._fail(driven, failure)
        except NotFound:
            raise
        except Exception as error:
            # A run that is being cancelled between two moves of its loop takes neither: no mistake of ours.
            if not (isinstance(error, IllegalMove) and driven.run.status == "cancelling"):
                logger.exception("run failed", extra={"action": "run_failed", "run_id": driven.run.id})
                await self._fail(driven, in_words(error))
                if not driven.recorder.is_kept:
                    raise

    async def _fail(self, driven: Driven, failure: KernelciError) -> None:
        if driven.run.status in ACTIVE:
            error = LastError(code=failure.code or "server_error", message=failure.message)
            await driven.emit(RunMoved("failed", error=error))

    async def _end_late(self, driven: Driven) -> None:
        """End a run in the store as soon as that works again: a full disk may be made room on."""
        for wait in chain((1.0, 2.0, 4.0, 8.0, 16.0), repeat(30.0)):
            try:
                run = await self._store.find(Run, driven.run.id)
                if run is None:
                    return driven.recorder.give_up()
                if run.status in ACTIVE:
                    await self._lay_to_rest(run, _NOT_STORED)
                return None
            except Exception as error:  # whatever keeps the store from working, it may pass
                told = str(error).partition("\n")[0]
                logger.warning("the store does not work: %s", told, extra={"action": "store_down"})
                self._bus.break_off(driven.run.id, in_words(error))  # who follows it is not to wait for so long
            await anyio.sleep(wait)
        return None

    async def _until_ended(self, driven: Driven) -> None:
        """Run the loop, once it is the run's turn, as often as the client or a person answers."""
        await self._its_turn(driven)
        while driven.run.status in ACTIVE:
            if driven.run.status == "requires_action":
                with anyio.move_on_at(driven.deadline):
                    await driven.answered.wait()
                if not driven.answered.is_set():
                    await driven.recorder.emit(RunMoved("expired"))
                    return
            elif driven.recorder.asks:
                await driven.answered.wait()  # however long it takes: nobody is timed out while away
            driven.answered = anyio.Event()
            await self._driver.go(driven)
