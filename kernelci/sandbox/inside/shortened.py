"""Messages that would be too long for their reader, made shorter: by the middle of texts, by whole pictures.

Imported by its neighbours in this folder; the standard library alone.
"""

from __future__ import annotations

from typing import Any

MEBIBYTE = 1024 * 1024

LONGEST = 8 * MEBIBYTE
"""Bytes in a message other than printed text."""


def shortened(content: dict[str, Any]) -> dict[str, Any]:
    """The content with its longest representations left out, and the middle of long texts."""
    short: dict[str, Any] = {key: _cut(value) for key, value in content.items()}
    if isinstance(short.get("data"), dict):
        short["data"] = _fitting(short["data"])
    if isinstance(short.get("traceback"), list):
        short["traceback"] = [_cut("\n".join(map(str, short["traceback"])))]
    return short


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= MEBIBYTE:
        return value
    half = MEBIBYTE // 2
    return f"{value[:half]}\n[... {len(value) - MEBIBYTE:,} characters left out ...]\n{value[-half:]}"


def _fitting(data: dict[str, Any]) -> dict[str, Any]:
    fitting = {kind: _cut(value) if kind.startswith("text/") else value for kind, value in data.items()}
    sizes = {kind: len(str(value)) for kind, value in fitting.items()}
    missing: list[str] = []
    while sum(sizes.values()) > LONGEST // 2:
        longest = max(sizes, key=sizes.__getitem__)
        missing.append(f"[{longest} of {sizes.pop(longest):,} characters left out]")
        del fitting[longest]
    if missing:
        fitting["text/plain"] = "\n".join((*missing, str(fitting.get("text/plain", ""))))
    return fitting
