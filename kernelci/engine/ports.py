"""What the engine needs from outside, as Protocols; where bytes live is in blobs.py.

Adapters implement them; app.py brings the two together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, Literal, Protocol, TypeVar

from kernelci.engine.events import Call, Event
from kernelci.protocol.objects import Cell, CellStatus, Message, Object, Run, Thread
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.usage import Price, Usage

Emit = Callable[[Event], Awaitable[None]]
ObjectT = TypeVar("ObjectT", bound=Object)

CODE_TOOL = "code_interpreter"
"""The name under which a model is offered the interpreter; its one argument is `code`."""

READ_TOOL = "read_output"
"""The name under which it is offered the reader of long outputs, unless a function of the client's has that."""


# Models


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures that the code of one reply displayed, each as a data URL; `call_id` is one of that reply's calls."""

    call_id: str
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One turn's question, in Chat Completions' terms. None means: do not send it.

    `figures` belong to the results in the messages, which may hold users' pictures, too. A model that takes none is
    not sent them.
    """

    model: str
    messages: Sequence[JsonObject]
    tools: Sequence[JsonObject] = ()
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    response_format: JsonObject | None = None
    reasoning_effort: str | None = None
    figures: Figures | None = None

    @property
    def offers_code(self) -> bool:
        """Whether the interpreter is among the tools."""
        return any(tool["function"]["name"] == CODE_TOOL for tool in self.tools)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `finish` is `length` when a token limit cut it short."""

    text: str
    calls: tuple[Call, ...] = ()
    finish: Literal["stop", "length", "content_filter"] = "stop"
    usage: Usage = field(default_factory=Usage)


class Model(Protocol):
    """Where replies come from."""

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        """Ask for one reply and emit it as it arrives.

        Emits TextDelta (never empty) for the text before any call; CodeDelta for the first call if it is code;
        CallDelta for all calls if the request offers no code tool. Other calls, and text after a call, are only in
        the reply, since a second step cannot open before the first has closed. Then exactly one UsageCounted, for a
        reply that breaks off or is cancelled, too; then TextDone if there was text, no call followed and nothing
        cut it short. Calls get fresh ids of ours: some models repeat theirs. Where parallel calls are refused there
        is one call at most.

        Raises:
            ModelUnavailable: not reachable, status 408, 409 or 5xx, or garbage.
            ModelBusy: 429, after the client library's own retries.
            ModelRefused: any other 4xx; PromptTooLong, where that is why.
        """
        ...

    async def room(self, model: str) -> int | None:
        """How many tokens, as estimated, a question may have so that nothing of it is cut; None: nobody knows.

        It may be asked each turn. What it says is no promise, in either direction.
        """
        ...


class Models(Protocol):
    """Which model serves a name."""

    @property
    def names(self) -> Sequence[str]:
        """The names that are listed; any other is served, too."""
        ...

    def serving(self, model: str) -> tuple[Model, str]:
        """The model that serves that assistant model name, and the name its upstream knows it by."""
        ...

    def price(self, model: str) -> Price | None:
        """What it costs to be served that name; None where nobody has said."""
        ...


# Sessions


@dataclass(frozen=True, slots=True)
class MountedFile:
    """A file the session shall see: under its own name, and under its id as a link."""

    file_id: str
    filename: str
    blob: Path


@dataclass(frozen=True, slots=True)
class CellResult:
    """What a cell left. `outputs` are nbformat 4.5 output objects in the order they came, streams merged, `\\r`
    and clear_output applied, no ANSI escapes in tracebacks. `waited` are the seconds before its turn came.
    """

    status: CellStatus
    execution_count: int | None
    outputs: tuple[JsonObject, ...]
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionFile:
    """An open file of a session's folder; the stamp changes whenever the file does. The holder closes it."""

    name: str
    stamp: tuple[int, int, int, int]
    handle: BinaryIO


Told = Literal["stdout", "stderr", "result", "picture"]
"""What a piece of a cell's outputs is: printed text; the text of a result, a display or a traceback; a picture."""

OnOutput = Callable[[Told, str], Awaitable[None]]
"""Is told a cell's outputs piece by piece, a picture in base64. What has been told does not change any more."""


class Sessions(Protocol):
    """Where code runs. A session's id is opaque; its kernel starts on first use."""

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        """Run one cell, telling what it shows as it shows it; the sum of it is what the API's clients see.

        Cells of one session run one at a time. A cell that outlives the time limit is interrupted (`timeout`);
        cancelling this call interrupts it, too. A kernel that dies gives `dead`, with a stderr output that says
        so, and the next call starts a fresh one.

        Raises:
            KernelUnavailable: no kernel could be started.
        """
        ...

    async def look(self, session_id: str) -> str:
        """What the session's kernel has to say of its last failure: names, types, files, near matches, versions.

        At most a few thousand characters, for a model to read and for nobody to believe; none where there is no
        kernel. It leaves no trace in the session, and takes seconds at most.
        """
        ...

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        """The name that each file has in /mnt/data, or is going to have; by file id."""
        ...

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        """Open a regular file below /mnt/data by its relative path; None if there is none. Never follows a link."""
        ...

    async def close(self, session_id: str) -> None:
        """End the session: its kernel and its folder are gone. Unknown ids are fine."""
        ...


# State


@dataclass(frozen=True, slots=True)
class Page:
    """A place in a list, newest or oldest first."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Paged(Generic[ObjectT]):
    """Part of a list."""

    data: tuple[ObjectT, ...]
    has_more: bool


class Store(Protocol):
    """Where objects live: those of all owners, or, by `of`, of one, who finds nothing of the others'.

    Every method is one transaction, durable when it returns. What is past its `expires_at` is not there. `within`
    is the id of what the object must belong to: a message or run belongs to a thread, a step or cell to a run and
    to that run's thread, a part to an upload, the rest to nothing.
    """

    @property
    def owner(self) -> str:
        """Whose the new objects are. What belongs to a thread is always its owner's."""
        ...

    def of(self, owner: str) -> Store:
        """The store as this owner sees it."""
        ...

    async def put(self, *objects: Object) -> tuple[Message, ...]:
        """Insert or replace. Replacing leaves the stored metadata alone: only `edit` changes that.

        With the end of a run, what waits in its thread has its turn, up to and including the next run, whose time
        begins to count. Gives the messages among that.

        Raises:
            NotFound: the thread or run that a new object belongs to is gone.
            ThreadBusy: a run would be the second active one of its thread.
        """
        ...

    async def add(self, *objects: Object) -> None:
        """Insert what is certainly new, and many at once faster than `put` would; raises what that raises."""
        ...

    async def find(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT | None:
        """The object, or None."""
        ...

    async def get(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        """The object.

        Raises:
            NotFound: in the API's words, such as `No thread found with id 'thread_abc'.`
        """
        ...

    async def page(
        self,
        kind: type[ObjectT],
        page: Page,
        *,
        within: str | None = None,
        purpose: str | None = None,
        run_id: str | None = None,
    ) -> Paged[ObjectT]:
        """Part of the list, in order of creation; `purpose` narrows files, `run_id` messages.

        Raises:
            InvalidRequest: the cursor is not in the list.
        """
        ...

    async def all(self, kind: type[ObjectT], *, within: str) -> tuple[ObjectT, ...]:
        """All that belong to a thread or run, oldest first."""
        ...

    async def conversation(self, thread_id: str, *kinds: type[ObjectT], brief: bool = False) -> tuple[ObjectT, ...]:
        """All of these kinds that belong to a thread, in the order they were made, without what waits.

        With `brief`, outputs of which there are excerpts come without their logs.

        Raises:
            NotFound: no such thread.
        """
        ...

    async def edit(
        self,
        kind: type[ObjectT],
        id: str,
        change: Callable[[ObjectT], ObjectT],
        *,
        within: str | None = None,
        adding: Sequence[Object] = (),
    ) -> ObjectT:
        """Read, change and write as one, with what is added. `change` must be pure, may raise; raises NotFound."""
        ...

    async def drop(self, kind: type[ObjectT], id: str, *, within: str | None = None) -> ObjectT:
        """Delete, with all that belongs to it. Gives what it was; raises NotFound."""
        ...

    async def post(self, message: Message, change: Callable[[Thread], Thread], *, wait: bool = False) -> Message:
        """Add a message to its thread and change the thread, as one. With `wait` a busy thread has it wait.

        Gives the message, which says whether it waits.

        Raises:
            ThreadBusy: `Can't add messages to thread_X while a run run_Y is active.`
            NotFound: no such thread.
        """
        ...

    async def open_run(
        self, run: Run, messages: Sequence[Message], change: Callable[[Thread], Thread], *, wait: bool = False
    ) -> Run:
        """Add messages and a queued run to a thread and change the thread, as one; `wait` as in `post`.

        Gives the run, which says whether it and its messages wait.

        Raises:
            ThreadBusy: `Thread thread_X already has an active run run_Y.`
            NotFound: no such thread.
        """
        ...

    async def holds(self, sha256: str) -> bool:
        """Whether a file has these bytes, whosever it is."""
        ...

    async def active_runs(self) -> tuple[Run, ...]:
        """Every run that has not ended, oldest first; after them those that wait."""
        ...


class Transcripts(Protocol):
    """The notebooks, one a thread. Derived: a lost one is rebuilt from the store."""

    def put(self, thread_id: str, *items: Message | Cell) -> None:
        """Add or replace messages and cells by id, in the order they come; already in the store. Writes soon."""
        ...

    async def settled(self, thread_id: str) -> None:
        """Return when all that was put is on disk. A notebook that cannot be written is logged, not raised."""
        ...

    async def drop(self, thread_id: str) -> None:
        """Delete the notebook."""
        ...
