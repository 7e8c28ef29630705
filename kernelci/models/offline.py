"""The model where there is none: it runs the Python that the user's own message contains, and says so.

Useful in itself (a Python over the API that keeps a notebook; tests of one's own client without tokens), and
honest: it never pretends to understand the words around the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelci.engine.events import Emit
from kernelci.engine.ports.model import ModelRequest, Reply
from kernelci.models.conversation import since_last_user, text_of
from kernelci.models.turn import Turn, play

_PYTHON = {"", "python", "py"}

_BLANK = " \t\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""White space and direction marks, which an editor of right-to-left text may put around a fence."""

_FENCE = re.compile(rf"(?P<indent>[{_BLANK}]*)(?P<ticks>`{{3,}})(?P<info>[^`]*)$")

_FAILED = re.compile(
    r"Traceback \(most recent call last\)"
    r"|^ *Cell In\[\d+\], line \d+\n(.*\n)+?(Syntax|Indentation|Tab)Error:"
    r"|^The kernel has ended \(|^The cell was stopped because ",
    re.MULTILINE,
)
"""How a result shows that its cell failed: as IPython has it, or in the words of `sessions` for one cut short."""

_WHO = "No model is configured, so kernelci's offline model answers."

_HOW = (
    f"{_WHO} It runs the Python in your message, and understands nothing else. "
    "Put the code between fences:\n\n"
    "````\n```python\nimport sys\nsys.version\n```\n````\n\n"
    "For a real model, start the server with --model-url (KERNELCI_MODEL_URL), the address of any Chat Completions "
    "endpoint, and if it needs them --model and --model-key; or start Ollama, LM Studio, llama.cpp or vLLM on this "
    "machine, and then the server again."
)

_NO_TOOL = (
    f"{_WHO} It runs the Python in a message, but this run may not use the code interpreter: "
    'give the assistant the tool {"type": "code_interpreter"}.'
)


class OfflineModel:
    """Runs the fenced Python blocks of the user's last message, one a turn, and closes with the last result.

    Which block is next is read off the request: as many have run as there are results after that message. A block
    that fails is the last.
    """

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        return await play(_turn(request), request, emit)


def python_blocks(text: str) -> list[str]:
    """The fenced blocks marked as Python, or not marked at all. A fence that is never closed ends with the text."""
    blocks: list[str] = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if opening := _FENCE.match(line):
            block = "\n".join(_fenced(lines, opening))
            if opening["info"].strip(_BLANK).lower() in _PYTHON and block.strip():
                blocks.append(block)
    return blocks


def _fenced(lines: Iterator[str], opening: re.Match[str]) -> Iterator[str]:
    """The lines up to a fence as long as the opening one, with its indent taken off."""
    for line in lines:
        bare = line.strip(_BLANK)
        if bare.startswith(opening["ticks"]) and not bare.strip("`"):
            return
        yield line.removeprefix(opening["indent"])


def _turn(request: ModelRequest) -> Turn:
    asked, *since = since_last_user(request.messages) or [{}]
    blocks = python_blocks(text_of(asked))
    results = [text_of(message) for message in since if message["role"] == "tool"]
    if not blocks:
        return Turn(_HOW)
    if not request.offers_code or request.tool_choice == "none":
        return Turn(_NO_TOOL)
    if results and _FAILED.search(results[-1]):
        return Turn(
            _with_result(f"{_WHO} Block {len(results)} of {len(blocks)} failed, so it stopped there:", results[-1])
        )
    if len(results) < len(blocks):
        return Turn(code=blocks[len(results)])
    return Turn(_with_result(f"{_WHO} Your Python ran. Its last result:", results[-1]))


def _with_result(sentence: str, result: str) -> str:
    """The result on lines of its own: a right-to-left one must not be laid out inside an English sentence."""
    longest = max((len(ticks) for ticks in re.findall("`+", result)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{sentence}\n\n{fence}\n{result.strip(chr(10))}\n{fence}"
