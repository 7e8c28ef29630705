"""A run's tools: whose a call is, and how the code interpreter's are carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kernelci.engine.answers import AFTERWARDS, changed, refusal
from kernelci.engine.drafts import ShownOutputs
from kernelci.engine.events import Call, CallAnswered, CodeDone, Emit, Output, OutputDelta
from kernelci.engine.failures import NOT_RUN, Failure, Failures, failure_of, told_again, told_at_last
from kernelci.engine.offered import can_read, functions_of
from kernelci.engine.ports.model import READ_TOOL
from kernelci.engine.ports.sessions import MountedFile, Sessions, Told
from kernelci.engine.publish import Publisher
from kernelci.engine.reading import read
from kernelci.engine.results import Result, Results, whole
from kernelci.protocol.calls import Answer, Approval
from kernelci.protocol.objects import CodeOutput, File, FileId, Image, Logs, Run


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one run, with the files its session sees, the failures it has had and its thread's results.

    `asking` says whether code waits for a person's word, `approval` is the newest of these words.
    """

    of: Run
    files: tuple[MountedFile, ...]
    sessions: Sessions
    publisher: Publisher
    failures: Failures
    results: Results
    shown: Callable[[Sequence[File]], Awaitable[tuple[str, ...]]]
    """What of a cell's figures the model is shown, as data URLs."""
    asking: bool = False
    approval: Approval | None = None

    def are_the_clients(self, call: Call) -> bool:
        """Whether the client has to run this call."""
        return call.name in functions_of(self.of)

    def must_wait(self, call: Call, turn: int) -> bool:
        """Whether a person has to allow this call, and has not been asked yet."""
        runs = bool((call.code or "").strip()) and not self.failures.stop(turn)
        return self.asking and runs and self._word_on(call) is None

    def _word_on(self, call: Call) -> Answer | None:
        return self.approval.answer if self.approval and self.approval.calls[0].id == call.id else None

    async def run(self, call: Call, emit: Emit, turn: int) -> Result:
        """Carry out a call of a turn's reply that is ours; gives what the model is told.

        Raises:
            KernelUnavailable: the code has no kernel to run in.
        """
        if call.code is None:
            return await self._answer(call, emit)
        if self.failures.stop(turn):
            return Result(NOT_RUN, stored=False)
        word = self._word_on(call)
        if word and word.decision == "reject":
            return await _reject(call, word, emit)
        await emit(CodeDone(call.id, call.code))

        shown = ShownOutputs()
        figures: list[File] = []

        async def show(kind: Told, text: str) -> None:
            output = await self._output(kind, text, figures, emit)
            shown.add(output)
            await emit(OutputDelta(call.id, output, kind if kind == "stdout" or kind == "stderr" else None))

        result = await self.sessions.execute(self.of.thread_id, call.code, files=self.files, on_output=show)
        failure = failure_of(call.code, result.status, result.outputs)
        beside = ""
        try:
            beside = await self._beside(failure, turn) if failure else ""
        finally:  # the cell is over, even if the run ends while its session is looked at
            await emit(Output(call.id, result.status, result.execution_count, result.outputs, beside))
        return Result(whole(shown.whole()), changed(word) + beside, await self.shown(figures))

    async def _answer(self, call: Call, emit: Emit) -> Result:
        """Carry out a call that runs no code. To clients it is a function whose output is there already."""
        if call.name == READ_TOOL and can_read(self.of):
            answer = await read(call.arguments, self.results)
        else:
            answer = f"There is no tool named {call.name!r}."
        await emit(CallAnswered(call.id, call.name, call.arguments, answer))
        return Result(answer)

    async def _beside(self, failure: Failure, turn: int) -> str:
        """What the model is told beside what the cell has shown, and nobody else: steps are the cell's."""
        times = self.failures.add(failure, turn)
        if self.failures.are_enough:
            return told_at_last(failure, times)
        return told_again(failure, times, await self.sessions.look(self.of.thread_id)) if times > 1 else ""

    async def _output(self, kind: Told, text: str, figures: list[File], emit: Emit) -> CodeOutput:
        """A piece of a cell's outputs as the API shows it; a picture becomes a file, one of `figures`."""
        if kind != "picture":
            return Logs(logs=text)
        file = await self.publisher.figure(text, self.of, emit)
        figures.append(file)
        return Image(image=FileId(file_id=file.id))


async def _reject(call: Call, answer: Answer, emit: Emit) -> Result:
    """Say in place of the cell's outputs that it was not run; gives what the model is told."""
    text = refusal(answer)
    await emit(OutputDelta(call.id, Logs(logs=text)))
    await emit(Output(call.id, "rejected", beside=AFTERWARDS))
    return Result(text, AFTERWARDS)
