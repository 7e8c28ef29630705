"""From a stored conversation to the model's messages: what was said, what was run, what came of it.

Pure but for `build_prompt`, which reads the store. A run's turns, usage and place are derived from its steps,
so that a prompt is the same whether a run starts, resumes or is taken up after a restart.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio

from kernelci.engine.events import Call
from kernelci.engine.inputs import pictures_in
from kernelci.engine.ports import CODE_TOOL, Blobs, ModelRequest, Reply
from kernelci.protocol.objects import (
    ClientCall,
    CodeCall,
    CodeOutput,
    File,
    Logs,
    Message,
    MessageCreation,
    Run,
    RunStep,
    SearchCall,
    ToolCalls,
    Usage,
)
from kernelci.protocol.parts import (
    AnswerFormat,
    CodeInterpreterTool,
    ContentPart,
    ForcedTool,
    FunctionTool,
    ImageFilePart,
    ImageUrlPart,
    JsonObject,
    RefusalPart,
    TextPart,
)

HEAD = TAIL = 16 * 1024
"""Characters of a cell's output that the model is shown from its beginning and its end."""

_INTERPRETER: JsonObject = {
    "type": "function",
    "function": {
        "name": CODE_TOOL,
        "description": (
            "Run Python in the conversation's own IPython kernel. Variables and imports are kept between calls. "
            "The working folder is /mnt/data. There is no network. Figures are shown to the user when they are "
            "displayed; a file is given to the user by a link such as [name](sandbox:/mnt/data/name)."
        ),
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "Python source, as in a notebook cell"}},
            "required": ["code"],
            "additionalProperties": False,
        },
    },
}


@dataclass(slots=True)
class Prompt:
    """What the model is asked in one run; grows by a reply and its results each turn."""

    run: Run
    model: str
    messages: list[JsonObject]
    turn: int = 0
    usage: Usage = field(default_factory=Usage)

    def request(self, turn: int) -> ModelRequest:
        """The question of one turn. A forced tool is forced on the first only, or the run could never end."""
        run = self.run
        tools = _offered(run)
        return ModelRequest(
            model=self.model,
            messages=tuple(self.messages),
            tools=tools,
            tool_choice=_tool_choice(run, turn) if tools else None,
            parallel_tool_calls=False if tools and not run.parallel_tool_calls else None,
            temperature=run.temperature,
            top_p=run.top_p,
            max_tokens=self._completion_left(),
            response_format=_answer_format(run),
            reasoning_effort=run.reasoning_effort,
        )

    def add(self, reply: Reply) -> None:
        """Take a reply into the conversation."""
        self.usage += reply.usage
        self.messages.append(_assistant(reply.text, reply.calls))

    def add_result(self, call: Call, result: str) -> None:
        """Take what a call gave into the conversation."""
        self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    def spent(self) -> Literal["max_completion_tokens", "max_prompt_tokens"] | None:
        """The budget that the run has used up, if any."""
        if self.run.max_prompt_tokens is not None and self.usage.prompt_tokens >= self.run.max_prompt_tokens:
            return "max_prompt_tokens"
        left = self._completion_left()
        return "max_completion_tokens" if left is not None and left <= 0 else None

    def _completion_left(self) -> int | None:
        limit = self.run.max_completion_tokens
        return None if limit is None else limit - self.usage.completion_tokens


async def build_prompt(
    *,
    run: Run,
    model: str,
    conversation: Sequence[Message | RunStep],
    files: Sequence[File],
    names: Mapping[str, str],
    blobs: Blobs,
) -> Prompt:
    """The prompt of a run, from its thread's messages and steps in the order they were made.

    `names` are those of the files in /mnt/data, by file id.
    """
    shown = pictures_in(item for item in conversation if isinstance(item, Message))
    pictures = {file.id: await _data_url(file, blobs) for file in files if file.id in shown and _picture_type(file)}
    mine = [item for item in conversation if isinstance(item, RunStep) and item.run_id == run.id]
    turns = [step.turn for step in mine]
    return Prompt(
        run=run,
        model=model,
        messages=[*_system(run, names), *_spoken(_last(conversation, run), pictures)],
        turn=max(turns) + 1 if turns else 0,
        usage=sum((step.usage for step in mine if step.usage), Usage()),
    )


def result_text(outputs: Iterable[CodeOutput]) -> str:
    """What the model is told of a cell's outputs: head and tail of long ones."""
    told = "\n".join(
        output.logs if isinstance(output, Logs) else "[a figure was displayed to the user]" for output in outputs
    )
    if len(told) > HEAD + TAIL:
        left_out = len(told) - HEAD - TAIL
        told = f"{told[:HEAD]}\n[… {left_out} characters left out …]\n{told[-TAIL:]}"
    return told or "[no output]"


def _system(run: Run, names: Mapping[str, str]) -> list[JsonObject]:
    text = run.instructions
    if names and any(isinstance(tool, CodeInterpreterTool) for tool in run.tools):
        listing = "\n".join(f"- /mnt/data/{name} (file id {id})" for id, name in names.items())
        text = f"{text}\n\nThe user's files:\n{listing}".strip()
    return [{"role": "system", "content": text}] if text else []


def _last(conversation: Sequence[Message | RunStep], run: Run) -> Sequence[Message | RunStep]:
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


def _spoken(conversation: Iterable[Message | RunStep], pictures: Mapping[str, str]) -> list[JsonObject]:
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
            _take_step(item, said, chat[-1], results)
    return [message for message in (*chat, *results) if _says_something(message)]


def _take_step(step: RunStep, said: Mapping[str, Message], reply: JsonObject, results: list[JsonObject]) -> None:
    """Add a step to the reply that it was part of, and what its calls gave to the results."""
    details = step.step_details
    if not isinstance(details, ToolCalls):
        message = said.get(details.message_creation.message_id)
        reply["content"] += _text_of(message) if message else ""
        return
    for call in details.tool_calls:
        if isinstance(call, SearchCall):
            continue  # no tool of ours: another service's, in a thread that was imported
        reply.setdefault("tool_calls", []).append(_called(call))
        results.append({"role": "tool", "tool_call_id": call.id, "content": _gave(call, step)})


def _says_something(message: JsonObject) -> bool:
    return message["role"] != "assistant" or bool(message["content"]) or "tool_calls" in message


def _called(call: CodeCall | ClientCall) -> JsonObject:
    if isinstance(call, CodeCall):
        return _function(call.id, CODE_TOOL, json.dumps({"code": call.code_interpreter.input}, ensure_ascii=False))
    return _function(call.id, call.function.name, call.function.arguments)


def _gave(call: CodeCall | ClientCall, step: RunStep) -> str:
    if isinstance(call, ClientCall):
        return call.function.output or ""
    told = result_text(call.code_interpreter.outputs)
    return told if step.status == "completed" else f"{told}\n[the run ended here: {step.status}]"


def _assistant(text: str, calls: Iterable[Call]) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": text}
    called = [_function(call.id, call.name, _arguments(call)) for call in calls]
    return message | {"tool_calls": called} if called else message


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


_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}


def _picture_type(file: File) -> str | None:
    return next((kind for end, kind in _PICTURES.items() if file.filename.lower().endswith(end)), None)


async def _data_url(file: File, blobs: Blobs) -> str:
    data = await anyio.Path(blobs.path(file.blob)).read_bytes()
    return f"data:image/{_picture_type(file)};base64,{base64.b64encode(data).decode()}"


def _offered(run: Run) -> tuple[JsonObject, ...]:
    """The tools the model is told of; file search has none yet."""
    offered: list[JsonObject] = []
    for tool in run.tools:
        match tool:
            case CodeInterpreterTool():
                offered.append(_INTERPRETER)
            case FunctionTool():
                offered.append({"type": "function", "function": tool.function.model_dump()})
            case _:
                continue
    return tuple(offered)


def _tool_choice(run: Run, turn: int) -> str | JsonObject | None:
    choice = run.tool_choice
    if choice == "none":
        return "none"
    if turn > 0 or choice == "auto":
        return None
    if isinstance(choice, ForcedTool):
        name = choice.function.name if choice.function else CODE_TOOL
        return {"type": "function", "function": {"name": name}}
    return choice


def _answer_format(run: Run) -> JsonObject | None:
    chosen = run.response_format
    return chosen.model_dump() if isinstance(chosen, AnswerFormat) else None
