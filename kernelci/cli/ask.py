"""`kernelci ask`: one question to a model that has a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kernelci.cli.options import TALKING, takes
from kernelci.cli.screen import tell
from kernelci.errors import StartupError
from kernelci.settings import Settings

if TYPE_CHECKING:
    from openai.types.beta.threads import Run

Files = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="A file for the code to read; may be repeated.", exists=True, dir_okay=False),
]


@takes(*TALKING)
def ask(
    settings: Settings,
    question: Annotated[str, typer.Argument(help="What to find out.", show_default=False)],
    file: Files = [],  # noqa: B006  typer's way to say: none
) -> None:
    """Ask a question about files; what the answer makes is saved in the working folder."""
    if not question.strip():
        raise StartupError('There is no question. Ask one: kernelci ask "What is in this file?" -f your.csv')
    from kernelci.cli.conversation import conversation  # noqa: PLC0415  a second that only those pay who talk

    about = Console(stderr=True)
    with conversation(settings, about) as talk:
        run = talk.ask(question, talk.upload(file))
        tell(about, f"\n{talk.cost(run)}", "bright_black")
    if run.status != "completed" and _can_go_on(run):
        tell(about, f"To go on: kernelci chat --thread {run.thread_id}", "bright_black")
    if run.status != "completed" or talk.nobody_asked:
        raise typer.Exit(1)


def _can_go_on(run: Run) -> bool:
    """Whether another run on the thread may get further: not where a budget or the request's own size ended it."""
    return run.last_error is None or run.last_error.code == "server_error"
