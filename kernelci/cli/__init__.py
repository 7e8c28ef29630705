"""The command line: one file a family of verbs."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from kernelci.cli.ask import ask
from kernelci.cli.backup import backup, restore
from kernelci.cli.chat import chat
from kernelci.cli.demo import demo
from kernelci.cli.doctor import doctor
from kernelci.cli.import_ import import_
from kernelci.cli.kernels import kernels
from kernelci.cli.keys import keys
from kernelci.cli.serve import serve
from kernelci.cli.threads import threads
from kernelci.errors import KernelciError, StartupError

app = typer.Typer(
    name="kernelci",
    help="The Assistants API's code interpreter on your own machine, with any model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, serve, ask, chat, doctor, backup, restore):
    app.command()(command)
app.command("import")(import_)
app.add_typer(threads, name="threads")
app.add_typer(keys, name="keys")
app.add_typer(kernels, name="kernels")


def main() -> None:
    """The command `kernelci`: what goes wrong is said in a sentence, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a letter that the terminal does not have must not end the run
    try:
        app()
    except KernelciError as error:
        typer.echo(f"kernelci: {error.message}", err=True)
        raise SystemExit(error.exit_code if isinstance(error, StartupError) else 1) from None
