"""What the engine needs of the place where objects live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from kernelci.protocol.objects import Message, Object, Run, Thread

ObjectT = TypeVar("ObjectT", bound=Object)


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
