"""A model's tool calls on their way: what it asked for, what the client must run, what a person must allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kernelci.protocol.parts import Part
from kernelci.protocol.requests import Body

Asking = Literal["off", "code"]
"""What waits for a person's word: nothing, or each call of the code interpreter."""

Decision = Literal["approve", "edit", "reject"]
"""A person's word: run it, run this in its place, do not run it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model. `code` is set when the call is for the code interpreter.

    `then` is what the model said after it in the same reply.
    """

    id: str
    name: str
    arguments: str
    code: str | None = None
    then: str = ""


class FunctionCall(Part):
    """What the model asks the client to run; `arguments` is JSON text."""

    name: str
    arguments: str


class RequiredCall(Part):
    """A call whose output the run waits for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class RequiredCalls(Part):
    """All the calls whose outputs the run waits for."""

    tool_calls: tuple[RequiredCall, ...]


class RequiredAction(Part):
    """What the client has to do before the run goes on."""

    type: Literal["submit_tool_outputs"] = "submit_tool_outputs"
    submit_tool_outputs: RequiredCalls


class Answer(Body):
    """A person's word on a call: `code` is what to run in its place, `reason` why not.

    So it comes in `POST .../approvals/{call_id}`, our own, and so it is kept.
    """

    decision: Decision
    code: str | None = None
    reason: str = ""


class Approval(Part):
    """What stands on a step whose code waits for a person's word, and afterwards the answer.

    `calls` are what is left of the model's reply: the one that waits, as the model wrote it, and those after it.
    The run's clock stands still meanwhile, with `seconds` left.
    """

    calls: tuple[Call, ...]
    asked_at: int
    seconds: int
    answer: Answer | None = None

    @property
    def lets_run(self) -> bool:
        """Whether the answer is there, and the code may run."""
        return self.answer is not None and self.answer.decision != "reject"
