"""What can be done with threads and their messages beyond reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from anyio import to_thread

from kernelci.engine import files
from kernelci.engine.assistants import merged
from kernelci.engine.service import Service
from kernelci.errors import IllegalMove
from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Thread
from kernelci.protocol.parts import Attachment, CodeInterpreterResources, ContentPart, Text, TextPart
from kernelci.protocol.requests import ContentBody, MessageCreate, TextContent, ThreadCreate, ThreadUpdate

MANY = 100
"""Messages from which on they are made in a worker thread, where nobody waits for it."""


async def create(service: Service, body: ThreadCreate) -> Thread:
    """Make a thread with its first messages.

    Raises:
        NotFound: it refers to an unknown file.
    """
    await files.must_exist(
        service.store, [*body.tool_resources.resources().file_ids, *files.named_in(body.messages)]
    )
    thread = Thread(
        id=ids.new("thread"),
        created_at=ids.now(),
        metadata=body.metadata,
        tool_resources=body.tool_resources.resources(),
    )
    messages = await described(thread.id, body.messages)
    thread = with_files(messages)(thread)
    await service.store.add(thread, *messages)
    service.transcripts.put(thread.id, *messages)
    return thread


async def update(service: Service, id: str, body: ThreadUpdate) -> Thread:
    """Change what is given; lists and metadata are replaced as wholes.

    Raises:
        NotFound: there is no such thread, or it would refer to an unknown file.
    """
    await files.must_exist(service.store, body.tool_resources.resources().file_ids)

    def change(thread: Thread) -> Thread:
        resources = merged(thread.tool_resources, body.tool_resources)
        return thread.model_copy(update={**body.given(), "tool_resources": resources})

    return await service.store.edit(Thread, id, change)


async def delete(service: Service, id: str) -> None:
    """Stop a thread's run, end its kernel, and forget it with all that belongs to it.

    Raises:
        NotFound: there is no such thread.
    """
    await service.store.get(Thread, id)
    await service.supervisor.abandon(id)
    await service.sessions.close(id)  # first, since on a full disk it makes the room that the store needs
    await service.store.drop(Thread, id)
    await service.transcripts.drop(id)


async def post(service: Service, thread_id: str, body: MessageCreate) -> Message:
    """Add a message to a thread, and its attachments to what the thread's kernel sees.

    Raises:
        NotFound: there is no such thread, or it refers to an unknown file.
        ThreadBusy: the thread has an active run, and the settings do not let a message wait for its end.
    """
    await service.store.get(Thread, thread_id)
    await files.must_exist(service.store, files.named_in([body]))
    posted = message(thread_id, body)
    posted = await service.store.post(posted, with_files([posted]), wait=may_wait(service))
    if not posted.waiting:
        service.transcripts.put(thread_id, posted)
    return posted


def may_wait(service: Service) -> bool:
    """Whether what comes to a busy thread waits there, rather than being refused."""
    return service.settings.when_busy == "queue"


async def delete_message(service: Service, thread_id: str, message_id: str) -> None:
    """Take a message out of its thread, and of the thread's notebook.

    Raises:
        NotFound: there is no such message in the thread.
        IllegalMove: a run is still writing it.
    """
    found = await service.store.get(Message, message_id, within=thread_id)
    if found.status == "in_progress":
        raise IllegalMove(f"Can't delete message {message_id} while run {found.run_id} is writing it.")
    await service.store.drop(Message, message_id, within=thread_id)
    await service.transcripts.drop(thread_id)
    service.transcripts.put(thread_id)  # made anew of what there still is


async def described(thread_id: str, bodies: Sequence[MessageCreate]) -> list[Message]:
    """The messages that a client's request describes."""

    def make() -> list[Message]:
        return [message(thread_id, each) for each in bodies]

    return await to_thread.run_sync(make) if len(bodies) >= MANY else make()


def message(thread_id: str, body: MessageCreate) -> Message:
    """One of them."""
    now = ids.now()
    return Message(
        id=ids.new("message"),
        created_at=now,
        completed_at=now,
        thread_id=thread_id,
        role=body.role,
        content=_content(body.content),
        attachments=body.attachments,
        metadata=body.metadata,
    )


def with_files(messages: Iterable[Message]) -> Callable[[Thread], Thread]:
    """How a thread changes by these messages: files attached for the code interpreter become its own."""
    attached = [attachment.file_id for each in messages for attachment in each.attachments if _for_code(attachment)]

    def change(thread: Thread) -> Thread:
        if not attached:
            return thread
        file_ids = tuple(dict.fromkeys((*thread.tool_resources.file_ids, *attached)))
        resources = thread.tool_resources.model_copy(
            update={"code_interpreter": CodeInterpreterResources(file_ids=file_ids)}
        )
        return thread.model_copy(update={"tool_resources": resources})

    return change


def _for_code(attachment: Attachment) -> bool:
    return any(tool.type == "code_interpreter" for tool in attachment.tools)


def _content(body: ContentBody) -> tuple[ContentPart, ...]:
    """A request's content as an object has it."""
    parts = [TextContent(type="text", text=body)] if isinstance(body, str) else body
    return tuple(TextPart(text=Text(value=part.text)) if isinstance(part, TextContent) else part for part in parts)
