"""Code that waits for the person at the terminal: shown with nothing hidden, and answered with a key or two."""

from __future__ import annotations

import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import click
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep

from kernelci.cli.screen import Screen
from kernelci.errors import KernelciError

_QUESTION = "Run this? [y]es, [e]dit, [n]o, [a]lways in this run: "
_NOBODY = "Nobody could be asked: this is no terminal."

_ABOVE = "# The code to change is between these lines, which keep editors from obeying its own.\n" + "#\n" * 5
_BELOW = "#\n" * 6
"""Vim obeys modelines in the first and the last five lines, Emacs the first line and the last page."""

Key = Literal["y", "e", "n", "a"]


@dataclass(slots=True)
class Approvals:
    """Asks the person about the code of one run after the other."""

    client: OpenAI
    screen: Screen
    _allowed: set[str] = field(default_factory=set[str])
    """The runs of which everything is allowed that hides nothing."""
    nobody: bool = False
    """Whether code was refused because there is no terminal to ask at."""

    def waiting(self, step: RunStep) -> dict[str, Any] | None:
        """What waits for a person's word in this step, if anything does."""
        listed = self._listed(step.thread_id, step.run_id)
        return next((each for each in listed if each["step_id"] == step.id), None)

    def asked_in(self, run: Run) -> bool:
        """Whether something waits in this run that began elsewhere, for a person who can be asked here.

        Raises:
            KernelciError: something waits, and there is no terminal; who asked may still answer it.
        """
        waits = bool(self._listed(run.thread_id, run.id))
        if waits and not _at_terminal():
            raise KernelciError(
                "The thread's run waits for a person's word on its code, and this is no terminal. In one: "
                f"kernelci chat --thread {run.thread_id}"
            )
        return waits

    def settle(self, step: RunStep, asked: dict[str, Any], streamed: str) -> None:
        """Ask, and answer the server; `streamed` is the code as it has been shown already.

        Raises:
            KeyboardInterrupt: the person would rather stop the run.
        """
        self.screen.end()
        if asked["code"] != streamed:
            self.screen.note("This is what would run:", "yellow")
            self.screen.write(asked["code"])
            self.screen.end()
        for warning in asked["warnings"]:
            self.screen.note(f"Hidden characters: {warning}", "bold red")
        try:
            path = f"{_path(step.thread_id, step.run_id)}/{asked['id']}"
            self.client.post(path, body=self._answer(step, asked), cast_to=object)
        except (BadRequestError, NotFoundError):
            self.screen.note("Somebody else has answered, or the run has ended.", "yellow")

    def _listed(self, thread_id: str, run_id: str) -> Sequence[dict[str, Any]]:
        return cast("dict[str, Any]", self.client.get(_path(thread_id, run_id), cast_to=object))["data"]

    def _answer(self, step: RunStep, asked: dict[str, Any]) -> dict[str, str]:
        if not _at_terminal():
            self.nobody = True
            self.screen.note("Not run: code waits for a yes, and without a terminal nobody can be asked.", "yellow")
            return {"decision": "reject", "reason": _NOBODY}
        if step.run_id in self._allowed and not asked["warnings"]:
            self.screen.note("Allowed, as is everything in this run.", "bright_black")
            return {"decision": "approve"}
        while True:
            match _typed(_QUESTION).lower()[:1]:
                case "y":
                    return {"decision": "approve"}
                case "a":
                    self._allowed.add(step.run_id)
                    return {"decision": "approve"}
                case "n":
                    return {"decision": "reject", "reason": _typed("Why not? (Enter to give no reason) ")}
                case "e":
                    if edited := self._edited(asked["code"]):
                        return {"decision": "edit", "code": edited}
                case _:
                    pass

    def _edited(self, code: str) -> str | None:
        """Other code than this; none where the person leaves it at that, which is said."""
        try:
            file = click.edit(f"{_ABOVE}{code}\n\f\n{_BELOW}", extension=".py")
            edited = None if file is None else _between(file)
        except (click.ClickException, ValueError) as failure:
            if isinstance(failure, click.ClickException) and not isinstance(failure.__cause__, OSError):
                self.screen.note("The edit was called off: the editor ended with an error.", "yellow")
                return None
            edited = self._typed_code()  # a ValueError is of quotes in $EDITOR that never end
        if edited is None or edited.rstrip("\n") == code.rstrip("\n"):
            self.screen.note("Nothing was changed.", "yellow")
            return None
        if not edited.strip():
            self.screen.note("An empty edit changes nothing. To have nothing run, say no.", "yellow")
            return None
        return edited

    def _typed_code(self) -> str | None:
        """Code as it is typed here, where there is no editor; none if its end is the end of the input."""
        self.screen.note(
            "No editor could be started ($VISUAL, $EDITOR). Type the code and a dot alone at its end; "
            "Ctrl-D leads back to the question."
        )
        lines: list[str] = []
        while (line := _line("┃ ")) != ".":
            if line is None:
                self.screen.note("")
                return None
            lines.append(line)
        return "\n".join(lines)


def _between(edited: str) -> str:
    """The code of a file without the lines around it."""
    return edited.removeprefix(_ABOVE).rstrip().removesuffix(_BELOW.rstrip()).rstrip() + "\n"


def code_of(step: RunStep) -> str:
    """The code of a step as the server has it; none of a step that calls no code, or has only begun."""
    if step.step_details.type != "tool_calls":
        return ""
    calls: Sequence[Any] = step.step_details.tool_calls
    return "".join(call.code_interpreter.input for call in calls if call.type == "code_interpreter")


def _path(thread_id: str, run_id: str) -> str:
    return f"/threads/{thread_id}/runs/{run_id}/approvals"


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _typed(question: str) -> str:
    """A line that the person types after the question, and not before it."""
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    line = _line(question)
    if line is None:
        raise KeyboardInterrupt
    return line


def _line(prompt: str) -> str | None:
    """The next line of the input; none at its end."""
    print(prompt, end="", flush=True)  # noqa: T201  no editing of lines, and no history of answers
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None
