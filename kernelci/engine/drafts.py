"""What is being written in a run: a message's text as it streams, a step's calls as they are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kernelci.engine.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallAnswered,
    CallDelta,
    CallEvent,
    CodeDelta,
    CodeDone,
    MessageMoved,
    Output,
    OutputDelta,
    OutputsSubmitted,
    TextDelta,
)
from kernelci.protocol import ids
from kernelci.protocol.objects import (
    Cell,
    ClientCall,
    CodeCall,
    CodeOutput,
    CodeRun,
    FunctionResult,
    Image,
    Logs,
    Message,
    MessageIncomplete,
    RunStep,
    SearchCall,
    ToolCall,
    ToolCalls,
)
from kernelci.protocol.parts import (
    Attachment,
    AttachmentTool,
    ContentPart,
    FilePath,
    FilePathAnnotation,
    ImageFile,
    ImageFilePart,
    JsonObject,
    Text,
    TextPart,
)


class MessageDraft:
    """An assistant's message: pictures first, then one text that grows."""

    def __init__(self, message: Message, images: tuple[str, ...]) -> None:
        self.message = message
        self.text_index = len(images)
        self._images = images
        self._pieces: list[str] = []
        self._length = 0
        self._annotations: list[FilePathAnnotation] = []

    def write(self, event: TextDelta) -> None:
        """Add text; a link's place is counted in code points (protocol.md 2.5)."""
        start, self._length = self._length, self._length + len(event.text)
        self._pieces.append(event.text)
        if event.file:
            self._annotations.append(
                FilePathAnnotation(
                    text=event.text,
                    start_index=start,
                    end_index=self._length,
                    file_path=FilePath(file_id=event.file.id),
                )
            )

    def finished(self, event: MessageMoved) -> Message:
        """The whole message in its last status."""
        now = ids.now()
        whole = event.status == "completed"
        content: list[ContentPart] = [ImageFilePart(image_file=ImageFile(file_id=id)) for id in self._images]
        if self._pieces:
            text = Text(value="".join(self._pieces), annotations=tuple(self._annotations))
            content.append(TextPart(text=text))
        linked = dict.fromkeys(note.file_path.file_id for note in self._annotations)
        tools = (AttachmentTool(type="code_interpreter"),)
        return self.message.model_copy(
            update={
                "status": event.status,
                "completed_at": now if whole else None,
                "incomplete_at": None if whole else now,
                "incomplete_details": MessageIncomplete(reason=event.reason) if event.reason else None,
                "content": tuple(content),
                "attachments": tuple(Attachment(file_id=id, tools=tools) for id in linked),
            }
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delta belongs: the call in its step, the output in its call."""

    index: int = 0
    output_index: int = 0


class ShownOutputs:
    """What a cell has shown so far: logs that grow, and pictures between them."""

    def __init__(self, outputs: Iterable[CodeOutput] = ()) -> None:
        self._outputs: list[list[str] | Image] = []
        for output in outputs:
            self.add(output)

    def add(self, output: CodeOutput) -> int:
        """Take more in; gives its place. Logs that follow logs go on with them."""
        if isinstance(output, Image):
            self._outputs.append(output)
        elif self._outputs and isinstance(last := self._outputs[-1], list):
            last.append(output.logs)
        else:
            self._outputs.append([output.logs])
        return len(self._outputs) - 1

    def whole(self) -> tuple[CodeOutput, ...]:
        """All of it."""
        return tuple(Logs(logs="".join(each)) if isinstance(each, list) else each for each in self._outputs)


@dataclass(slots=True)
class _Code:
    pieces: list[str] = field(default_factory=list[str])
    shown: ShownOutputs = field(default_factory=ShownOutputs)
    printed: list[JsonObject] = field(default_factory=list[JsonObject])
    done: bool = False
    ended: bool = False

    def show(self, event: OutputDelta) -> int:
        if isinstance(event.output, Logs):
            self._note(event.stream, event.output.logs)
        return self.shown.add(event.output)

    def whole(self, id: str) -> CodeCall:
        return CodeCall(id=id, code_interpreter=CodeRun(input="".join(self.pieces), outputs=self.shown.whole()))

    def _note(self, stream: str | None, text: str) -> None:
        """Keep what was printed as a notebook has it, for a cell that will not end."""
        last = self.printed[-1] if self.printed else {}
        if stream and last.get("name") == stream:
            last["text"] += text
        elif stream:
            self.printed.append({"output_type": "stream", "name": stream, "text": text})
        else:
            data = {"text/plain": text}
            self.printed.append({"output_type": "display_data", "data": data, "metadata": {}})


@dataclass(slots=True)
class _Function:
    name: str
    pieces: list[str] = field(default_factory=list[str])
    output: str | None = None

    def whole(self, id: str) -> ClientCall:
        function = FunctionResult(name=self.name, arguments="".join(self.pieces), output=self.output)
        return ClientCall(id=id, function=function)


class CallsDraft:
    """The calls of a step: one cell, or the functions that the client runs."""

    def __init__(self, calls: tuple[ToolCall, ...] = (), *, begun: bool = True) -> None:
        """`calls` are those stored so far; code among them may have begun to run, or not."""
        self._calls: dict[str, _Code | _Function] = {}
        self._whole: tuple[ToolCall, ...] | None = None
        for call in calls:
            match call:
                case CodeCall():
                    code = call.code_interpreter
                    self._calls[call.id] = _Code([code.input], ShownOutputs(code.outputs), done=begun)
                case ClientCall():
                    function = call.function
                    self._calls[call.id] = _Function(function.name, [function.arguments], function.output)
                case SearchCall():
                    raise AssertionError(f"{call.id} is of no run of ours")

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._calls

    def take(self, event: CallEvent | ApprovalAsked | ApprovalGiven) -> Place:
        """Take an event in; gives where it belongs."""
        self._whole = None
        match event:
            case CodeDelta(call_id, text):
                self._code(call_id).pieces.append(text)
            case CodeDone(call_id, code):
                self._code(call_id).pieces = [code]
                self._code(call_id).done = True
            case ApprovalAsked(calls):
                self._code(calls[0].id).pieces = [calls[0].code or ""]
                return Place(self._place(calls[0].id))
            case ApprovalGiven(call_id, answer):
                if answer.code is not None:
                    self._code(call_id).pieces = [answer.code]
            case CallDelta(call_id, name, arguments):
                self._calls.setdefault(call_id, _Function(name))
                self._function(call_id).pieces.append(arguments)
            case OutputDelta(call_id):
                return Place(self._place(call_id), self._code(call_id).show(event))
            case Output(call_id):
                self._code(call_id).ended = True
            case CallAnswered(call_id):
                self._function(call_id).output = event.output
            case OutputsSubmitted(outputs):
                for call_id, call in self._calls.items():
                    if isinstance(call, _Function):
                        call.output = outputs.get(call_id, call.output)
                return Place()
        return Place(self._place(event.call_id))

    def code(self, call_id: str) -> str:
        """The code of a call."""
        return "".join(self._code(call_id).pieces)

    def cut_short(self) -> list[tuple[Output, str]]:
        """Cells that were begun and will not end: an output of what they printed, and their code."""
        begun = [(id, call) for id, call in self._calls.items() if isinstance(call, _Code) and call.done]
        return [
            (Output(id, "interrupted", notebook=tuple(call.printed)), "".join(call.pieces))
            for id, call in begun
            if not call.ended
        ]

    def awaits_more(self, than: str) -> bool:
        """Whether a function's output is still to come, of another call."""
        calls = ((id, call) for id, call in self._calls.items() if isinstance(call, _Function))
        return any(call.output is None for id, call in calls if id != than)

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls as they stand: the same objects until something comes, since outputs may be long."""
        if self._whole is None:
            self._whole = tuple(call.whole(id) for id, call in self._calls.items())
        return self._whole

    def _place(self, call_id: str) -> int:
        return list(self._calls).index(call_id)

    def _code(self, call_id: str) -> _Code:
        call = self._calls.setdefault(call_id, _Code())
        if not isinstance(call, _Code):
            raise AssertionError(f"{call_id} is a function's call")
        return call

    def _function(self, call_id: str) -> _Function:
        call = self._calls[call_id]
        if not isinstance(call, _Function):
            raise AssertionError(f"{call_id} is a cell")
        return call


def figures(details: ToolCalls) -> tuple[str, ...]:
    """The pictures that a step's cells have shown, by file id."""
    return tuple(
        output.image.file_id
        for call in details.tool_calls
        if isinstance(call, CodeCall)
        for output in call.code_interpreter.outputs
        if isinstance(output, Image)
    )


def cell_of(event: Output, step: RunStep, code: str) -> Cell:
    """What a cell left, for the notebook."""
    return Cell(
        id=event.call_id,
        created_at=ids.now(),
        run_id=step.run_id,
        step_id=step.id,
        thread_id=step.thread_id,
        code=code,
        status=event.status,
        execution_count=event.execution_count,
        outputs=event.notebook,
        decision=step.approval.answer.decision if step.approval and step.approval.answer else None,
    )
