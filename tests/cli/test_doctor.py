"""`kernelci doctor`, and what the other commands do on a machine that does not let code be confined."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.cli.conftest import Command
from tests.sandbox.conftest import FORBIDDEN

REMEDY = "sudo sysctl user.max_user_namespaces=15000"


def test_a_machine_with_all_protections_gets_its_figures(kernelci: Command) -> None:
    done = kernelci.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("✓") == 7
    assert "✗" not in done.stdout
    for figure in (
        r"kernels are forked from +\d+\.\d s",
        r"with pandas and matplotlib +\d+\.\d ms",
        r"in reserve +\d+\.\d ms",
        r"that is there +\d+\.\d ms",
        r"memory of an idle kernel .* +(\d+\.\d MiB|seen by root only)",
    ):
        assert re.search(figure, done.stdout)


def test_what_is_missing_is_told_with_its_cause_and_remedy(kernelci: Command) -> None:
    done = replace(kernelci, within=FORBIDDEN).run("doctor")
    assert done.returncode == 3
    assert done.stdout.count("✓") == 2
    assert done.stdout.count("✗") == done.stdout.count("user.max_user_namespaces is 0") == 5
    assert done.stdout.count(REMEDY) == 5
    assert "ms" not in done.stdout
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "0"], ["demo"], ["ask", "?"], ["chat"]], ids=lambda a: a[0]
)
def test_where_code_cannot_be_confined_it_does_not_run(kernelci: Command, arguments: list[str]) -> None:
    done = replace(kernelci, within=FORBIDDEN).run(*arguments, typed="```\n1\n```\n")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("kernelci: The model's code cannot be confined on this machine")
    assert done.stderr.endswith(f"{REMEDY}\n")
    assert done.stderr.count("\n") == 1
    assert not (kernelci.folder / "kernelci-demo").exists()
