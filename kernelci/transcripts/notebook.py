"""Messages and cells as the cells of a notebook, and the notebook they make (nbformat 4.5). Pure functions.

A notebook is put together from fragments, the JSON text of one cell each, so that a long thread's next message
costs no more than its first. The text is what Jupyter itself would write, byte for byte: opening and saving a
notebook there changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kernelci.protocol.objects import Cell, Message
from kernelci.protocol.parts import JsonObject
from kernelci.transcripts.markdown import source
from kernelci.transcripts.outputs import count, kept

SCHEMA: Final = 1
"""Of what `metadata.kernelci` holds."""

_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def markdown_cell(message: Message) -> JsonObject:
    """A message as a cell."""
    return {
        "cell_type": "markdown",
        "id": cell_id(message.id),
        "metadata": {
            "kernelci": {"role": message.role, "message_id": message.id},
            "tags": [f"kernelci-{message.role}"],
        },
        "source": _lines(source(message)),
    }


def code_cell(cell: Cell) -> JsonObject:
    """What the assistant ran, with what came of it; what a person did not let run is a cell that nothing runs."""
    if cell.status == "rejected":
        return {
            "cell_type": "raw",
            "id": cell_id(cell.id),
            "metadata": {"kernelci": _about(cell), "tags": ["kernelci-assistant", "kernelci-rejected"]},
            "source": _lines(cell.code),
        }
    failed = ["raises-exception", "kernelci-error-retry"] if cell.status != "ok" else []
    edited = ["kernelci-edited"] if cell.decision == "edit" else []
    return {
        "cell_type": "code",
        "execution_count": count(cell.execution_count),
        "id": cell_id(cell.id),
        "metadata": {"kernelci": _about(cell), "tags": ["kernelci-assistant", *failed, *edited]},
        "outputs": [_split(output) for output in kept(cell.outputs)],
        "source": _lines(cell.code),
    }


def _about(cell: Cell) -> JsonObject:
    about = {"role": "assistant", "run_id": cell.run_id, "step_id": cell.step_id, "call_id": cell.id}
    decision = {"decision": cell.decision} if cell.decision else {}
    return {**about, "status": cell.status, **decision}


def cell_id(id: str) -> str:
    """A cell's id from a message's or call's, always the same; itself, where the format allows that."""
    return id if _CELL_ID.fullmatch(id) else hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


def fragment(item: Message | Cell) -> bytes:
    """A message or cell as it stands in the file."""
    cell = markdown_cell(item) if isinstance(item, Message) else code_cell(item)
    return _encoded("  " + _dumped(cell).replace("\n", "\n  "))


def merged(fragments: Mapping[str, bytes], items: Iterable[Message | Cell]) -> dict[str, bytes]:
    """The fragments by the ids of their items, with those of new items added and of known ones replaced."""
    return {**fragments, **{item.id: fragment(item) for item in items}}


def assembled(thread_id: str, fragments: Mapping[str, bytes]) -> Iterator[bytes]:
    """The notebook of a thread, in pieces to be written one after the other."""
    yield b'{\n "cells": ['
    for place, each in enumerate(fragments.values()):
        yield b",\n" if place else b"\n"
        yield each
    yield b"\n ],\n" if fragments else b"],\n"
    yield _dumped({"metadata": _head(thread_id), "nbformat": 4, "nbformat_minor": 5}).removeprefix("{\n").encode()
    yield b"\n"


def _head(thread_id: str) -> JsonObject:
    return {
        "kernelci": {"schema": SCHEMA, "thread_id": thread_id},
        "kernelspec": {"display_name": "Python (kernelci)", "language": "python", "name": "kernelci"},
        "language_info": {"name": "python"},
    }


def _split(output: JsonObject) -> JsonObject:
    """The output with its texts as lists of lines, as the format stores them."""
    if output["output_type"] == "stream":
        return output | {"text": _lines(output["text"])}
    if "data" in output:
        data: JsonObject = output["data"]
        return output | {"data": {mime: _lines(value) if _is_text(mime) else value for mime, value in data.items()}}
    return output


def _is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime == "image/svg+xml"


def _lines(value: object) -> object:
    return value.splitlines(keepends=True) if isinstance(value, str) else value


def _dumped(value: JsonObject) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)


def _encoded(text: str) -> bytes:
    """UTF-8, with halves of surrogate pairs joined where they meet and replaced where they stand alone."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")
