"""A thread with an assistant over the official SDK, each run shown as it goes. What demo, ask and chat share.

The SDK calls this API deprecated, since its maker's own service of it is gone.
"""
# pyright: reportDeprecated=false

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from openai import BadRequestError, OpenAI, OpenAIError
from openai.lib.streaming import AssistantStreamManager
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from rich.console import Console

from kernelci.cli.approvals import Approvals
from kernelci.cli.client import openai_client
from kernelci.cli.hangup import hangup_interrupts
from kernelci.cli.live import LiveRun, followed
from kernelci.cli.local import notebook_of, server_for
from kernelci.cli.results import Results
from kernelci.cli.screen import Screen, tell
from kernelci.engine.approvals import METADATA
from kernelci.protocol.usage import Usage
from kernelci.settings import Settings

_INSTRUCTIONS = (
    "You are a careful data analyst with a Python kernel. Run code to find out rather than guess; when it fails, "
    "read the traceback and mend it. Draw charts where they help, and link the files you make. Answer briefly, in "
    "the language of the question."
)

_ASKS = "A run of this thread waits for your word on its code. From its beginning (Ctrl-C cancels it):"
_GOES_ON = "A run of this thread has not ended yet. From its beginning (Ctrl-C cancels it):"


class Conversation:
    """One thread, which is made when something is asked, and the assistant that answers on it."""

    def __init__(
        self, client: OpenAI, screen: Screen, results: Results, *, assistant_id: str, thread_id: str | None
    ) -> None:
        self._client = client
        self._screen = screen
        self._results = results
        self._approvals = Approvals(client, screen)
        self._assistant_id = assistant_id
        self._began = time.monotonic()
        self.thread_id = thread_id

    @property
    def nobody_asked(self) -> bool:
        """Whether code was refused because there is no terminal to ask at."""
        return self._approvals.nobody

    def upload(self, files: Iterable[Path]) -> list[str]:
        """Give files to the server; gives their ids."""
        return [self._client.files.create(file=path, purpose="assistants").id for path in files]

    def ask(self, question: str, file_ids: Sequence[str] = ()) -> Run:
        """Post a message, show the run that answers it, and give it as it ended.

        A run that still holds the thread is shown first. Ctrl-C cancels the run; the kernel keeps its variables.
        """
        threads = self._client.beta.threads
        self.thread_id = self.thread_id or threads.create().id
        while self._posted(self.thread_id, question, file_ids) is None:
            pass
        return self._shown(
            self.thread_id,
            lambda thread_id, live: threads.runs.stream(
                thread_id=thread_id, assistant_id=self._assistant_id, event_handler=live
            ),
        )

    def go_on(self) -> Run | None:
        """Show the thread's run that has not ended from its beginning, and give it as it ended, if there is one.

        Raises:
            KernelciError: it waits for a person, and there is no terminal to ask at.
        """
        if self.thread_id is None:
            return None
        newest = self._client.beta.threads.runs.list(self.thread_id, limit=2).data
        going = [run for run in newest if run.status in ("queued", "in_progress")]
        if len(going) != 1:  # of several, which only wait for each other, the newest has nothing to tell
            return None
        asks = self._approvals.asked_in(going[0])
        self._screen.note(_ASKS if asks else _GOES_ON, "yellow")
        return self._shown(self.thread_id, lambda thread_id, live: followed(self._client, thread_id, live))

    def _posted(self, thread_id: str, question: str, file_ids: Sequence[str]) -> Message | None:
        """The message on the thread; none where a run held the thread, which has ended now."""
        try:
            return self._client.beta.threads.messages.create(
                thread_id,
                role="user",
                content=question,
                attachments=[{"file_id": id, "tools": [{"type": "code_interpreter"}]} for id in file_ids],
            )
        except BadRequestError:
            if self.go_on() is None:
                raise
            return None

    def _shown(self, thread_id: str, stream_of: Callable[[str, LiveRun], AssistantStreamManager[LiveRun]]) -> Run:
        live = LiveRun(self._screen, self._results, self._approvals)
        self._began = time.monotonic()
        try:
            with stream_of(thread_id, live) as stream:
                return stream.get_final_run()
        except KeyboardInterrupt:
            return self._cancelled(thread_id)
        finally:
            self._screen.end()

    def cost(self, run: Run) -> str:
        """What the last answer has cost: tokens as counted or about, seconds, and money where prices are known."""
        usage = Usage.model_validate(run.usage.to_dict() if run.usage else {})
        about = "about " if usage.estimated else ""
        said = [f"{about}{usage.total_tokens:,} tokens", f"{time.monotonic() - self._began:.0f} s"]
        if usage.cost:
            said.append(f"{about}{usage.cost:.4f} US dollars")
        return " · ".join(said)

    def steps(self, run: Run) -> list[RunStep]:
        """The run's steps, first to last."""
        return list(self._client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc"))

    def _cancelled(self, thread_id: str) -> Run:
        """Cancel the newest run, and give it as it ended."""
        runs = self._client.beta.threads.runs
        run = next(iter(runs.list(thread_id, limit=1)), None)
        if run is None:
            raise KeyboardInterrupt
        with suppress(BadRequestError):  # it has ended by itself
            runs.cancel(run.id, thread_id=thread_id)
        self._screen.note("Stopping the run.", "yellow")  # last, since the terminal may be what is gone
        return runs.poll(run.id, thread_id=thread_id)


@contextmanager
def conversation(settings: Settings, about: Console, *, thread_id: str | None = None) -> Generator[Conversation]:
    """A conversation on the data folder's server, a new one or that of a thread; results go to the working folder.

    Raises:
        StartupError: there is no server, and none can be started.
    """
    with (
        hangup_interrupts(),
        server_for(settings, about) as (address, key),
        openai_client(address, key) as client,
    ):
        if thread_id:
            client.beta.threads.retrieve(thread_id)
        assistant = client.beta.assistants.create(
            name="kernelci",
            model=settings.model or "default",
            instructions=_INSTRUCTIONS,
            tools=[{"type": "code_interpreter"}],
            metadata={METADATA: settings.approval},
        )
        results = Results(client, Path())
        talk = Conversation(client, Screen(Console()), results, assistant_id=assistant.id, thread_id=thread_id)
        try:
            yield talk
        finally:
            with suppress(OpenAIError):  # the server may be what failed
                client.beta.assistants.delete(assistant.id)
            if talk.thread_id:
                tell(about, f"\nNotebook: {notebook_of(settings, talk.thread_id)}", "bright_black")
