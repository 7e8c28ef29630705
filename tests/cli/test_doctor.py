"""`kernelci doctor`, and what the other commands do on a machine that does not let code be confined."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.cli.conftest import Command
from tests.sandbox.conftest import FORBIDDEN, WITHOUT_ANY

REMEDY = "sudo sysctl user.max_user_namespaces=15000"


def test_a_machine_with_all_protections_gets_its_figures(kernelci: Command) -> None:
    done = kernelci.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("✓") - len(limited(done.stdout)) == 7 + 4
    assert "Kernels are confined by: namespaces\n" in done.stdout
    assert "✗" not in done.stdout
    for figure in (
        r"kernels are forked from +\d+\.\d s",
        r"with pandas and matplotlib +\d+\.\d ms",
        r"in reserve +\d+\.\d ms",
        r"that is there +\d+\.\d ms",
        r"memory of an idle kernel .* +(\d+\.\d MiB|seen by root only)",
    ):
        assert re.search(figure, done.stdout)


def limited(told: str) -> list[str]:
    """The line that tells of a session's limits as a whole, where there are some."""
    (line,) = (line for line in told.splitlines() if "limits of a session as a whole: " in line)
    assert line.startswith("✓") != line.endswith("none, only of each process")
    return [line] if line.startswith("✓") else []


def test_what_is_missing_is_told_with_its_cause_and_remedy(kernelci: Command) -> None:
    done = replace(kernelci, within=FORBIDDEN).run("doctor", "--sandbox", "namespaces")
    assert done.returncode == 3
    assert done.stdout.count("✓") - len(limited(done.stdout)) == 2 + 4
    assert done.stdout.count("✗") == done.stdout.count("user.max_user_namespaces is 0") == 5
    assert done.stdout.count(REMEDY) == 5
    assert "ms" not in done.stdout
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "0"], ["demo"], ["ask", "?"], ["chat"]], ids=lambda a: a[0]
)
def test_where_code_cannot_be_confined_it_does_not_run(kernelci: Command, arguments: list[str]) -> None:
    done = replace(kernelci, within=FORBIDDEN).run(*arguments, typed="```\n1\n```\n", KERNELCI_SANDBOX="namespaces")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("kernelci: The model's code cannot be confined on this machine")
    assert done.stderr.endswith(f"{REMEDY}\n")
    assert done.stderr.count("\n") == 1
    assert not (kernelci.folder / "kernelci-demo").exists()


def test_where_landlock_is_left_it_is_taken_and_what_it_lacks_is_told(kernelci: Command) -> None:
    within = replace(kernelci, within=FORBIDDEN)
    found = within.run("doctor")
    assert found.returncode == 0
    assert (found.stdout.count("✓") - len(limited(found.stdout)), found.stdout.count(REMEDY)) == (2 + 4, 5)
    assert "Kernels are confined by: landlock\n    kernels are confined by Landlock, without" in found.stdout

    shown = within.run("demo")
    assert shown.returncode == 0
    assert shown.stderr.startswith("Warning: kernels are confined by Landlock")
    assert shown.stderr.count("\n") == 1
    assert (kernelci.folder / "kernelci-demo" / "chart.png").exists()


def test_unconfined_is_what_is_asked_for_by_name_and_warned_of_each_time(kernelci: Command) -> None:
    asked = ["ask", "```\nopen('/etc/passwd').read(4), open('/mnt/data/x', 'w').write('x')\n```"]
    for _ in range(2):
        done = replace(kernelci, within=WITHOUT_ANY).run(*asked, "--sandbox", "off", "--data-dir", "beside")
        assert done.returncode == 0
        assert "('root', 1)" in done.stdout
        assert done.stderr.startswith("Warning: THE MODEL'S CODE IS NOT CONFINED (--sandbox off)")
        assert done.stderr.count("NOT CONFINED") == 1

    refused = replace(kernelci, within=WITHOUT_ANY).run(*asked)
    assert (refused.returncode, refused.stdout) == (3, "")
    mistyped = kernelci.run(*asked, "--sandbox", "none")
    assert mistyped.returncode == 2
    assert "--sandbox (KERNELCI_SANDBOX)" in mistyped.stderr
