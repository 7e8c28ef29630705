"""How a run is made: from a request, the assistant it names and the thread it is for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernelci.engine import approvals, files, threads
from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest
from kernelci.protocol import ids
from kernelci.protocol.calls import Asking
from kernelci.protocol.ids import Surface
from kernelci.protocol.objects import Assistant, Message, Run, Thread
from kernelci.protocol.parts import ForcedTool, FunctionTool
from kernelci.protocol.requests import RunCreate, ThreadAndRunCreate


async def create(service: Service, thread_id: str, body: RunCreate, surface: Surface) -> Run:
    """Start a run on a thread, after its additional messages.

    Raises:
        NotFound: there is no such thread or assistant, or a message refers to an unknown file.
        ThreadBusy: the thread has an active run, and the settings do not let another wait for its end.
        InvalidRequest: the run has not the tool it is told to use, or metadata ask for what there is not.
    """
    thread = await service.store.get(Thread, thread_id)
    assistant = await service.store.get(Assistant, body.assistant_id)
    await files.must_exist(service.store, files.named_in(body.additional_messages))
    _check_choice(body, assistant)
    asking = approvals.asking(service.settings, assistant.metadata, thread.metadata, body.metadata)
    run = _run(service, thread_id, body, assistant, surface, asking)
    return await _start(service, run, await threads.described(thread_id, body.additional_messages))


async def create_with_thread(service: Service, body: ThreadAndRunCreate, surface: Surface) -> tuple[Thread, Run]:
    """Make a thread and start a run on it.

    Raises:
        NotFound: there is no such assistant, or the thread or run refers to an unknown file.
        InvalidRequest: the run has not the tool it is told to use, or metadata ask for what there is not.
    """
    assistant = await service.store.get(Assistant, body.assistant_id)
    resources = body.tool_resources.resources()
    await files.must_exist(service.store, resources.file_ids)
    _check_choice(body, assistant)
    asking = approvals.asking(service.settings, assistant.metadata, body.thread.metadata, body.metadata)
    thread = await threads.create(service, body.thread)
    run = _run(service, thread.id, body, assistant, surface, asking).model_copy(
        update={"tool_resources": resources}
    )
    return thread, await _start(service, run, ())


async def cancel(service: Service, thread_id: str, run_id: str) -> Run:
    """Stop a run; gives it as `cancelling`.

    Raises:
        NotFound: there is no such run in the thread.
        IllegalMove: it has ended, or is being cancelled.
    """
    return await service.supervisor.cancel(await service.store.get(Run, run_id, within=thread_id))


async def submit(service: Service, thread_id: str, run_id: str, outputs: dict[str, str]) -> Run:
    """Give a waiting run its outputs, by call id; gives it as `queued`.

    Raises:
        NotFound: there is no such run in the thread.
        IllegalMove: it does not wait for outputs.
        InvalidRequest: not exactly the outputs it waits for.
    """
    return await service.supervisor.submit(await service.store.get(Run, run_id, within=thread_id), outputs)


async def _start(service: Service, run: Run, messages: Sequence[Message]) -> Run:
    change = threads.with_files(messages)
    run = await service.store.open_run(run, messages, change, wait=threads.may_wait(service))
    if not run.waiting:
        service.transcripts.put(run.thread_id, *messages)
    await service.supervisor.start(run)
    return run


def _run(
    service: Service,
    thread_id: str,
    body: RunCreate | ThreadAndRunCreate,
    assistant: Assistant,
    surface: Surface,
    asking: Asking,
) -> Run:
    """The queued run: the assistant's fields, then the request's over them."""
    now = ids.now()
    given = body.given()
    inherited = ("model", "tools", "temperature", "top_p", "response_format", "reasoning_effort")
    return Run(
        id=ids.new("run"),
        created_at=now,
        expires_at=now + math.ceil(service.settings.run_timeout),
        thread_id=thread_id,
        assistant_id=assistant.id,
        instructions=_instructions(body, assistant),
        **{name: given.get(name, getattr(assistant, name)) for name in inherited},
        metadata=body.metadata,
        max_prompt_tokens=body.max_prompt_tokens,
        max_completion_tokens=body.max_completion_tokens,
        truncation_strategy=body.truncation_strategy,
        tool_choice=body.tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
        surface=surface,
        owner=service.store.owner,
        file_ids=assistant.tool_resources.file_ids,
        asking=asking,
    )


def _instructions(body: RunCreate | ThreadAndRunCreate, assistant: Assistant) -> str:
    """The request's instructions in place of the assistant's, and the additional ones after either."""
    instructions = assistant.instructions if body.instructions is None else body.instructions
    additional = body.additional_instructions if isinstance(body, RunCreate) else None
    return "\n\n".join(part for part in (instructions, additional) if part)


def _check_choice(body: RunCreate | ThreadAndRunCreate, assistant: Assistant) -> None:
    """Refuse a forced tool that the run does not have: the model could never obey."""
    choice = body.tool_choice
    if not isinstance(choice, ForcedTool):
        return
    function = choice.function.name if choice.type == "function" and choice.function else None
    tools = assistant.tools if body.tools is None else body.tools
    had = [(tool.type, tool.function.name if isinstance(tool, FunctionTool) else None) for tool in tools]
    if (choice.type, function) not in had:
        raise InvalidRequest(
            f"Invalid 'tool_choice': the run has no tool '{function or choice.type}'.",
            param="tool_choice",
            code="invalid_value",
        )
