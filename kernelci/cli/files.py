"""New files in a folder of the person's, whatever their names and contents are."""

from __future__ import annotations

import itertools
from pathlib import Path

from kernelci.protocol.filenames import safe


def visible(name: str) -> str:
    """The name as one that hides nothing: a dot in front could make it a start-up file of the person's shell."""
    return safe(safe(name).lstrip(".~ "))


def written(path: Path, data: bytes) -> Path:
    """Write a new file beside those that are there: `x.csv`, or else `x-2.csv` and so on. Gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for count in itertools.count(1):
        free = path if count == 1 else path.with_name(f"{path.stem}-{count}{path.suffix}")
        try:
            with free.open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return free
    raise AssertionError("counting never ends")
