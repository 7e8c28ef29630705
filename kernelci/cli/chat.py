"""`kernelci chat`: question after question, on one thread with one kernel."""

from __future__ import annotations

import readline
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from kernelci.cli.ask import Files
from kernelci.cli.options import TALKING, takes
from kernelci.cli.screen import tell
from kernelci.settings import Settings

_FENCE = "```"


@takes(*TALKING)
def chat(
    settings: Settings,
    file: Files = [],  # noqa: B006  typer's way to say: none
    thread: Annotated[str | None, typer.Option(help="Go on with this thread.", show_default=False)] = None,
) -> None:
    """Talk to a model that has a kernel. Ctrl-C stops an answer, Ctrl-D ends the chat."""
    from kernelci.cli.conversation import conversation  # noqa: PLC0415  a second that only those pay who talk

    about = Console(stderr=True)
    with conversation(settings, about, thread_id=thread) as talk:
        if run := talk.go_on():
            tell(about, f"\n{talk.cost(run)}", "bright_black")
        for question in _questions():
            run = talk.ask(question, talk.upload(file))
            tell(about, f"\n{talk.cost(run)}", "bright_black")
            file = []
    if talk.thread_id:
        tell(about, f"To go on: kernelci chat --thread {talk.thread_id}", "bright_black")


def _questions() -> Iterator[str]:
    """What the person types, until the end of the input. Code between fences may have many lines."""
    readline.set_auto_history(True)
    while True:
        try:
            lines = [input("\n› ")]
            while sum(line.lstrip().startswith(_FENCE) for line in lines) % 2:
                lines.append(input("  "))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if question := "\n".join(lines).strip():
            yield question
