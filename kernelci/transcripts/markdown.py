"""A message as Markdown: who said it, and what, word for word. Pure functions.

The text is not touched: it reads the same in the file, in an editor and on a page. Only paragraphs of a
right-to-left script are put between two tags that turn their direction, since programs that show notebooks
assume left to right; code between them stays outside, as it runs left to right in any language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import assert_never

from kernelci.protocol.objects import Message
from kernelci.protocol.parts import ContentPart, ImageFilePart, ImageUrlPart, RefusalPart, TextPart

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})", re.MULTILINE)
_BESIDE_THE_POINT = re.compile(r"`[^`\n]*`|\]\([^)\n]*\)|https?://\S+")
"""Code, targets and addresses, which are written in Latin letters whatever the language."""

_SHOWN_OF_AN_ADDRESS = 200


def source(message: Message) -> str:
    """The source of the message's cell."""
    said = [turned(text) for part in message.content if (text := _said(part)) is not None]
    beside = list(_beside(message))
    if message.role == "assistant" and not said and message.content:
        beside.append("*The figure above.*")
    return "\n\n".join([f"**{message.role.capitalize()}**", *said, *beside])


def _said(part: ContentPart) -> str | None:
    match part:
        case TextPart():
            return part.text.value
        case RefusalPart():
            return part.refusal
        case _:
            return None


def turned(text: str) -> str:
    """The text with its right-to-left paragraphs marked as such; itself, if it has none."""
    blocks = list(_blocks(text))
    directions = [_direction(block) for block in blocks]
    if "rtl" not in directions:
        return text
    for place, direction in enumerate(directions):
        if direction is None:  # a rule or a number goes with what stands before it
            directions[place] = directions[place - 1] if place else "ltr"
    groups = groupby(zip(directions, blocks, strict=True), key=lambda pair: pair[0])
    return "\n\n".join(_group(direction, [block for _, block in pairs]) for direction, pairs in groups)


def _beside(message: Message) -> Iterator[str]:
    """What came with a person's message. The pictures of an assistant's stand in the cells that drew them."""
    if message.role == "assistant":
        return
    for part in message.content:
        if (picture := _picture(part)) is not None:
            yield f"*Image:* `{picture}`"
    for attachment in message.attachments:
        yield f"*Attached:* `{attachment.file_id}`"


def _picture(part: ContentPart) -> str | None:
    match part:
        case TextPart() | RefusalPart():
            return None
        case ImageFilePart():
            return part.image_file.file_id
        case ImageUrlPart():
            address = (
                part.image_url.url.partition(",")[0] if part.image_url.url[:5] == "data:" else part.image_url.url
            )
            return re.sub(r"[`\s]", "", address)[:_SHOWN_OF_AN_ADDRESS]
        case _:
            assert_never(part)


def _group(direction: str | None, blocks: list[str]) -> str:
    text = "\n\n".join(blocks)
    return f'<div dir="rtl">\n\n{text}\n\n</div>' if direction == "rtl" else text


def _blocks(text: str) -> Iterator[str]:
    """The text parted at its empty lines and around fenced code, which is a block of its own."""
    block: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            block.append(line)
            if line.strip() and set(line.strip()) == {fence[0]} and len(line.strip()) >= len(fence):
                yield "\n".join(block)
                block, fence = [], ""
        elif mark or not line.strip():
            if block:
                yield "\n".join(block)
            block, fence = ([line], mark[1]) if mark else ([], "")
        else:
            block.append(line)
    if block:
        yield "\n".join(block)


def _direction(block: str) -> str | None:
    """The direction of the first letter that has one; code is always left to right."""
    if _FENCE.match(block):
        return "ltr"
    for letter in _BESIDE_THE_POINT.sub("", block):
        match unicodedata.bidirectional(letter):
            case "R" | "AL":
                return "rtl"
            case "L":
                return "ltr"
            case _:
                pass
    return None
