"""What the engine needs of a model: a question goes there, and a reply comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from kernelci.engine.events import Call, Emit
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.usage import Price, Usage

CODE_TOOL = "code_interpreter"
"""The name under which a model is offered the interpreter; its one argument is `code`."""

READ_TOOL = "read_output"
"""The name under which it is offered the reader of long outputs, unless a function of the client's has that."""


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
