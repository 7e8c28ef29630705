"""`kernelci demo`, from a folder that knows nothing of it."""

from __future__ import annotations

import csv

import nbformat

from tests.cli.conftest import Command


def test_shows_a_mistake_and_its_repair_and_leaves_all_that_it_made(kernelci: Command) -> None:
    made = kernelci.folder / "kernelci-demo"
    made.mkdir()
    (made / "chart.png").write_text("of an earlier demo")
    done = kernelci.run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout
    for shown in (
        'penguins["bill_length_mm"]',
        "│ KeyError: 'bill_length_mm'",
        "There is no column `bill_length_mm`",
        "│ together        342   43.92  17.15        -0.24",
        "Simpson's paradox",
    ):
        assert shown in printed
        printed = printed.partition(shown)[2]
    assert all(f"kernelci-demo/{file.name}" in printed for file in made.iterdir())

    assert (made / "chart.png").read_bytes().startswith(b"\x89PNG")
    with (made / "bills_by_species.csv").open() as table:
        assert [row["species"] for row in csv.DictReader(table)] == ["Adelie", "Chinstrap", "Gentoo", "together"]
    notebook = nbformat.read(made / "penguins.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.cell_type for cell in notebook.cells].count("code") == 4
    assert {path.name for path in made.iterdir()} == {"bills_by_species.csv", "chart.png", "penguins.ipynb"}


def test_fails_when_something_did_not_happen(kernelci: Command) -> None:
    done = kernelci.run("demo", KERNELCI_MAX_TURNS="1")
    assert done.returncode == 1
    assert "The demo did not go as it should: the run is failed; " in done.stderr
    assert "chart.png is no picture" in done.stderr
