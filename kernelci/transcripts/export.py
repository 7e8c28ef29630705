"""A notebook to give away: one that opens wherever Jupyter is, with or without kernelci."""

from __future__ import annotations

import json

from kernelci.protocol.parts import JsonObject

PYTHON: JsonObject = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def exported(notebook: bytes) -> bytes:
    """The notebook's file with the kernel that every Jupyter has in place of ours; all else as it was."""
    content: JsonObject = json.loads(notebook)
    content["metadata"]["kernelspec"] = PYTHON
    return (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
