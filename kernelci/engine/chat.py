"""A stored conversation as chat messages: what was said, what was run, what came of it (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from kernelci.engine.ports.model import CODE_TOOL
from kernelci.engine.results import Results
from kernelci.protocol.calls import Approval, Call
from kernelci.protocol.objects import (
    ClientCall,
    CodeCall,
    Message,
    MessageCreation,
    Run,
    RunStep,
    SearchCall,
    ToolCalls,
)
from kernelci.protocol.parts import ContentPart, ImageFilePart, ImageUrlPart, JsonObject, RefusalPart, TextPart


def remembered(conversation: Sequence[Message | RunStep], run: Run) -> Sequence[Message | RunStep]:
    """The part of the conversation that the run's truncation strategy leaves."""
    count = run.truncation_strategy.last_messages
    if run.truncation_strategy.type != "last_messages" or count is None:
        return conversation
    spoken = [at for at, item in enumerate(conversation) if isinstance(item, Message) and item.run_id != run.id]
    if len(spoken) <= count:
        return conversation
    first = spoken[-count]
    # A reply is told by its step, which stands just before its message.
    return conversation[first - 1 if first and _writes(conversation[first - 1], conversation[first]) else first :]


def _writes(step: Message | RunStep, message: Message | RunStep) -> bool:
    return isinstance(step, RunStep) and _written_by(step) == message.id


def _written_by(step: RunStep) -> str | None:
    details = step.step_details
    return details.message_creation.message_id if isinstance(details, MessageCreation) else None


def spoken(
    conversation: Iterable[Message | RunStep], pictures: Mapping[str, str], given: Results
) -> list[JsonObject]:
    """The chat messages: one a user's message, one a reply with its calls, one a call's result."""
    said = {item.id: item for item in conversation if isinstance(item, Message)}
    written = {id for item in conversation if isinstance(item, RunStep) and (id := _written_by(item))}
    chat: list[JsonObject] = []
    open_turn: tuple[str, int] | None = None
    results: list[JsonObject] = []
    for item in conversation:
        if isinstance(item, Message) and item.id in written:
            continue  # its step stands for it
        turn = (item.run_id, item.turn) if isinstance(item, RunStep) else None
        if turn is None or turn != open_turn:
            chat += results
            results = []
            open_turn = turn
            if isinstance(item, RunStep):
                chat.append({"role": "assistant", "content": ""})
        if isinstance(item, Message):
            chat.append(_posted(item, pictures))
        else:
            _take_step(item, said, chat[-1])
            results += _results(item, given)
    return [message for message in (*chat, *results) if _says_something(message)]


def _take_step(step: RunStep, said: Mapping[str, Message], reply: JsonObject) -> None:
    """Add a step to the reply that it was part of."""
    details = step.step_details
    if not isinstance(details, ToolCalls):
        message = said.get(details.message_creation.message_id)
        reply["content"] += _text_of(message) if message else ""
        return
    for call in step.held:  # what is left of the reply is still to be carried out
        reply["content"] += call.then
        reply.setdefault("tool_calls", []).append(_asked_for(call))
    for call in _known(step):
        reply.setdefault("tool_calls", []).append(_called(call, step.approval))


def _results(step: RunStep, given: Results) -> list[JsonObject]:
    """What a step's calls gave."""
    return [result(call.id, given.told(call.id)) for call in _known(step)]


def _known(step: RunStep) -> Iterable[CodeCall | ClientCall]:
    """The calls that gave something, but those of no tool of ours: another service's, in an imported thread."""
    details = step.step_details
    if step.held or not isinstance(details, ToolCalls):
        return ()
    return (call for call in details.tool_calls if not isinstance(call, SearchCall))


def result(call_id: str, told: str) -> JsonObject:
    """What a call gave, as the model is told."""
    return {"role": "tool", "tool_call_id": call_id, "content": told}


def _says_something(message: JsonObject) -> bool:
    return message["role"] != "assistant" or bool(message["content"]) or "tool_calls" in message


def _called(call: CodeCall | ClientCall, approval: Approval | None) -> JsonObject:
    """A call as the model made it, whatever a person made of it."""
    if isinstance(call, CodeCall):
        code = approval.calls[0].code if approval else call.code_interpreter.input
        return _function(call.id, CODE_TOOL, json.dumps({"code": code}, ensure_ascii=False))
    return _function(call.id, call.function.name, call.function.arguments)


def replied(text: str, calls: Iterable[Call]) -> JsonObject:
    """A reply of the model."""
    message: JsonObject = {"role": "assistant", "content": text}
    called = [_asked_for(call) for call in calls]
    return message | {"tool_calls": called} if called else message


def _asked_for(call: Call) -> JsonObject:
    return _function(call.id, call.name, _arguments(call))


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


def _arguments(call: Call) -> str:
    if call.code is not None:
        return json.dumps({"code": call.code}, ensure_ascii=False)
    return call.arguments


def _function(id: str, name: str, arguments: str) -> JsonObject:
    """A call in the history. Its arguments are JSON even where the model's were not: endpoints refuse others."""
    if not _is_object(arguments):
        arguments = json.dumps({"arguments": arguments}, ensure_ascii=False) if arguments.strip() else "{}"
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _text_of(message: Message) -> str:
    return "".join(_words(part) for part in message.content)


def _words(part: ContentPart) -> str:
    match part:
        case TextPart():
            return part.text.value
        case RefusalPart():
            return part.refusal
        case _:
            return ""


def _posted(message: Message, pictures: Mapping[str, str]) -> JsonObject:
    """A message that a client posted; with pictures as the endpoint can take them."""
    if message.role == "assistant" or all(isinstance(part, TextPart) for part in message.content):
        return {"role": message.role, "content": _text_of(message)}
    content: list[JsonObject] = []
    for part in message.content:
        match part:
            case TextPart() | RefusalPart():
                content.append({"type": "text", "text": _words(part)})
            case ImageUrlPart():
                content.append({"type": "image_url", "image_url": part.image_url.model_dump()})
            case ImageFilePart():
                url = pictures.get(part.image_file.file_id)
                content.append(
                    {"type": "image_url", "image_url": {"url": url}}
                    if url
                    else {"type": "text", "text": f"[file {part.image_file.file_id}]"}
                )
    return {"role": message.role, "content": content}
