"""A thread's notebook made fit to leave its data folder."""

from __future__ import annotations

import json

from kernelci.protocol.parts import JsonObject

_ANYWHERE: JsonObject = {"display_name": "Python 3", "language": "python", "name": "python3"}


def portable(notebook: bytes) -> bytes:
    """The notebook with the kernel that every Jupyter has, in place of ours."""
    document: JsonObject = json.loads(notebook)
    document["metadata"]["kernelspec"] = _ANYWHERE
    return (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
