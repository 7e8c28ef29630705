"""How a run is driven from where it stands: prompt, tools and loop are put together from what is stored.

When that happens, and what becomes of what goes wrong, is the supervisor's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelci.engine.budget import Budget, used_by
from kernelci.engine.driven import Driven
from kernelci.engine.failures import Failures, failure_of
from kernelci.engine.inputs import session_files
from kernelci.engine.links import Linking
from kernelci.engine.loop import run_loop
from kernelci.engine.pictures import data_urls, last_figures
from kernelci.engine.ports.blobs import Blobs
from kernelci.engine.ports.model import Figures, Models
from kernelci.engine.ports.sessions import MountedFile, Sessions
from kernelci.engine.ports.store import Store
from kernelci.engine.prompt import build_prompt
from kernelci.engine.publish import Publisher
from kernelci.engine.results import excerpts_do, whole
from kernelci.engine.tools import Tools
from kernelci.protocol.objects import Cell, CodeCall, File, Message, Run, RunStep, Thread, ToolCalls
from kernelci.settings import Settings


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives any run; keeps nothing of it."""

    store: Store
    blobs: Blobs
    sessions: Sessions
    models: Models
    publisher: Publisher
    settings: Settings

    async def go(self, driven: Driven) -> None:
        """Drive the run from where it stands to its end or to the client's next turn."""
        run = driven.run
        model, name = self.models.serving(run.model)
        brief = excerpts_do(self.settings.shown_output)
        conversation = await self.store.conversation(run.thread_id, Message, RunStep, brief=brief)
        files = await session_files(
            self.store.of(run.owner), run, [item for item in conversation if isinstance(item, Message)]
        )
        driven.linking = Linking(driven.recorder.emit, self.publisher, run)
        mounted = [MountedFile(each.id, each.filename, self.blobs.path(each.blob)) for each in files]
        prompt = await build_prompt(
            run=run,
            model=name,
            conversation=conversation,
            files=files,
            names=await self.sessions.names(run.thread_id, mounted),
            blobs=self.blobs,
            room=self.settings.shown_output,
            fetch=self._output,
            figures=await self._last_figures(run, conversation),
        )
        tools = Tools(
            of=run,
            files=tuple(mounted),
            sessions=self.sessions,
            publisher=self.publisher,
            failures=await self._failures(run, conversation),
            results=prompt.results,
            shown=self._shown,
            asking="code" in {run.asking, self.settings.approval},
            approval=prompt.approval,
        )
        driven.budget = budget = await self._budget(driven, conversation)
        emit = budget.counting(driven.linking)
        await run_loop(prompt=prompt, model=model, tools=tools, emit=emit, budget=budget)

    async def _budget(self, driven: Driven, conversation: Sequence[Message | RunStep]) -> Budget:
        """What is left to the run, by what it and its thread have used so far."""
        run = driven.run
        return Budget(
            run=run,
            settings=self.settings,
            price=self.models.price(run.model),
            before=(await self.store.get(Thread, run.thread_id)).used,
            usage=used_by(run, conversation),
            expiry=driven.deadline,
            underestimated=driven.budget.underestimated if driven.budget else 1.0,
        )

    async def _output(self, step_id: str, call_id: str) -> str:
        """What a stored cell has shown, in full."""
        details = (await self.store.get(RunStep, step_id)).step_details
        calls = details.tool_calls if isinstance(details, ToolCalls) else ()
        cells = (call for call in calls if isinstance(call, CodeCall) and call.id == call_id)
        return next((whole(call.code_interpreter.outputs) for call in cells), "")

    async def _last_figures(self, run: Run, conversation: Sequence[Message | RunStep]) -> Figures | None:
        """The figures that the model is shown from the beginning, as data URLs."""
        last = last_figures(conversation)
        if last is None:
            return None
        found = [await self.store.of(run.owner).find(File, id) for id in last.pictures]
        return replace(last, pictures=await self._shown([file for file in found if file]))

    async def _shown(self, files: Sequence[File]) -> tuple[str, ...]:
        return await data_urls(files, self.blobs) if self.settings.charts != "never" else ()

    async def _failures(self, run: Run, conversation: Sequence[Message | RunStep]) -> Failures:
        """How the run's cells have failed so far."""
        failures = Failures(self.settings.same_failures)
        steps = (item for item in conversation if isinstance(item, RunStep) and item.run_id == run.id)
        turns = {step.id: step.turn for step in steps}
        for cell in await self.store.all(Cell, within=run.id) if turns else ():
            if failure := failure_of(cell.code, cell.status, cell.outputs):
                failures.add(failure, turns[cell.step_id])
        return failures
