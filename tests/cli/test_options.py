"""Settings as options: what a person types is what the command gets."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from kernelci.cli.options import settings_from, takes
from kernelci.errors import StartupError
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


def test_a_size_that_is_none_is_told_with_one_that_is() -> None:
    with pytest.raises(StartupError) as refused:
        settings_from({"memory": "banana"})
    assert refused.value.message == (
        "--memory (KERNELCI_MEMORY): A size is a number of bytes, or one with its unit, such as 512MiB or 2GiB."
    )


def test_a_setting_that_may_be_of_two_kinds_is_told_in_one_line() -> None:
    with pytest.raises(StartupError) as refused:
        settings_from({"session_idle": "soon"})
    (line,) = refused.value.message.splitlines()
    assert line.startswith("--session-idle (KERNELCI_SESSION_IDLE): Input should be a valid number, ")
    assert line.endswith("; or input should be 'never'.")
