"""Settings as options: what a person types is what the command gets."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from kernelci.cli.options import takes
from kernelci.settings import Settings


def test_a_switch_needs_no_value_and_is_off_without() -> None:
    app, seen = typer.Typer(), list[bool]()

    @app.command()
    @takes("strict")
    def command(settings: Settings) -> None:
        seen.append(settings.strict)

    for typed, variables in (([], {}), (["--strict"], {}), ([], {"KERNELCI_STRICT": "1"})):
        assert CliRunner().invoke(app, typed, env=variables).exit_code == 0
    assert seen == [False, True, True]
