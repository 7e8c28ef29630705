"""How much of a cell's outputs is kept, and in what shape (pure).

Text is kept by its beginning and its end, pictures and the like as long as they fit. What is left out is
said in its place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kernelci.protocol.parts import JsonObject
from kernelci.sessions.terminal import shown

MEBIBYTE = 1024 * 1024
CUT = "[... the middle of a long output is left out here ...]"
_LONGEST_MESSAGE = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cell may leave: characters of text, characters of pictures (base64) and the like, outputs."""

    text: int = MEBIBYTE
    rich: int = 16 * MEBIBYTE
    outputs: int = 1000


def trimmed(outputs: Sequence[JsonObject], limits: Limits) -> tuple[JsonObject, ...]:
    """The outputs within the limits, in nbformat's final form: streams' text is one string as a terminal shows it.

    Takes a while for much text: call it off the event loop.
    """
    kept = [_finished(output, 4 * limits.text) for output in outputs[: limits.outputs]]
    _trim_rich(kept, limits.rich)
    _trim_text(kept, limits.text)
    if more := len(outputs) - len(kept):
        kept.append({"output_type": "stream", "name": "stderr", "text": f"[{more} more outputs left out]\n"})
    return tuple(kept)


def shortened(text: str, room: int) -> str:
    """The text, or its beginning and its end with a line between them that says so."""
    if len(text) <= room:
        return text
    head, tail = text[: room // 2], text[len(text) - room // 2 :]
    return f"{head}\n{CUT}\n{tail}"


def _finished(output: JsonObject, room: int) -> JsonObject:
    if output["output_type"] == "stream":
        return {**output, "text": shown(shortened("".join(output["text"]), room))}
    if output["output_type"] == "error":
        return {**output, "evalue": shortened(output["evalue"], _LONGEST_MESSAGE)}
    return dict(output)


def _trim_rich(outputs: list[JsonObject], room: int) -> None:
    for output in outputs:
        data: JsonObject = output.get("data", {})
        fitting: JsonObject = {}
        missing: list[str] = []
        for kind, value in data.items():
            if kind == "text/plain":
                fitting[kind] = value
                continue
            size = len(value) if isinstance(value, str) else len(json.dumps(value))
            if size <= room:
                fitting[kind] = value
                room -= size
            else:
                missing.append(f"[{kind} of {size:,} characters left out]")
        if missing:
            output["data"] = {**fitting, "text/plain": "\n".join((*missing, fitting.get("text/plain", "")))}


def _trim_text(outputs: list[JsonObject], room: int) -> None:
    """Shorten the longest texts until all fit: each may have an even share of what the shorter ones leave."""
    texts = sorted(((len(_text(output)), at) for at, output in enumerate(outputs)))
    for turn, (size, at) in enumerate(texts):
        share = room // (len(texts) - turn)
        if size > share:
            _set_text(outputs[at], shortened(_text(outputs[at]), share))
        room -= min(size, share)


def _text(output: JsonObject) -> str:
    match output["output_type"]:
        case "stream":
            return output["text"]
        case "error":
            return "\n".join(output["traceback"])
        case _:
            return output["data"].get("text/plain", "")


def _set_text(output: JsonObject, text: str) -> None:
    match output["output_type"]:
        case "stream":
            output["text"] = text
        case "error":
            output["traceback"] = [text]
        case _:
            output["data"] = {**output["data"], "text/plain": text}
