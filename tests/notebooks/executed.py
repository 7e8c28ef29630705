"""Runs the notebooks of notebooks/. To renew what is stored: python -m tests.notebooks.executed"""

from __future__ import annotations

import base64
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent.parent / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_ID = re.compile(r"\b(assistant|asst|call|file|msg|run|step|thread)([-_])[A-Za-z0-9]{22,}\b")


def executed(path: Path, folder: Path) -> Any:
    """The notebook with fresh outputs, run in that folder by this Python's own kernel."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=100, record_timing=False, resources={"metadata": {"path": folder}}).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def outputs(notebook: Any) -> list[list[Any]]:
    """The outputs of each code cell, with what differs from run to run and machine to machine made alike."""
    cells = deepcopy([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    return [[_alike(output) for output in cell] for cell in cells]


def _alike(output: Any) -> Any:
    data = output.get("data", {})
    if "image/png" in data:
        picture = base64.b64decode(data["image/png"])
        data["image/png"] = (picture[:8], picture[16:24])  # a PNG, its width and height
    return nbformat.from_dict(_without_ids(output))


def _without_ids(value: Any) -> Any:
    match value:
        case str():
            return _ID.sub(r"\1\2…", value)
        case list():
            return [_without_ids(each) for each in value]
        case dict():
            return {key: _without_ids(each) for key, each in value.items()}
        case _:
            return value


if __name__ == "__main__":
    for each in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(each, FOLDER), each)
