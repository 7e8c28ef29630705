"""What a person sees of a run: text as it is said, code as it is written, a spinner, what cells print.

Lines are written as they become whole, and never again, so that it reads the same in a terminal, a pipe and a
log. Only the unfinished last line and the spinner are redrawn, and only in a terminal. Text is passed on as it is:
nothing is reordered, since a terminal lays out right-to-left text itself, and lines are broken only between words
and only in a terminal. But the control characters of a model or its program do not reach it; in code they are
spelled out, with all else that hides.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.syntax import Syntax
from rich.text import Text

from kernelci.cli.traceback import RULE, is_traceback, shortened
from kernelci.protocol.visible import visible

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
_AFTER_SPACE = re.compile(r"(?<=\s)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_GUTTERS = {"code": Text("┃ ", "blue"), "output": Text("│ ", "bright_black"), "error": Text("│ ", "red")}

_WRITING, _RUNNING = "writing code", "running"
_CONTEXT = 100  # lines of code before one that are looked at to highlight it
_WIDEST = 1000  # characters of an unfinished line
_MOST_LINES = 200  # of one cell's output; of what follows, its end
_LAST_LINES = 20
_QUIET = 0.4  # seconds without more code after which it is taken for running

Block = Literal["text", "code", "output"]


def plain(text: str) -> str:
    """The text without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def tell(console: Console, sentence: str, style: str = "") -> None:
    """Print a sentence of ours as it is."""
    console.print(Text(sentence, style), soft_wrap=True)


class Screen:
    """Shows one run after the other on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._block: Block | None = None
        self._tail = ""  # of the open block: what has no line end yet
        self._column = 0  # of the text
        self._code: list[str] = []
        self._traceback: list[str] | None = None
        self._printed = 0
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._working = _Working()
        self._live = Live(self._working, console=console, transient=True, refresh_per_second=12)

    def wait(self, reason: str) -> None:
        """Show that something is being waited for, until something comes or `end`."""
        self.end()
        self._spin(reason)

    def say(self, text: str) -> None:
        """More of the assistant's text."""
        if text:
            self._live.stop()
            self._open("text")
            *words, self._tail = _AFTER_SPACE.split(self._tail + plain(text))
            for word in words:
                self._word(word)

    def write(self, code: str) -> None:
        """More of the code that is about to run."""
        self._open("code")
        self._spin(_WRITING)
        for line in self._lines(code):
            self._code_line(line)

    def show(self, text: str) -> None:
        """More of what a cell printed, showed or raised."""
        if self._block == "code":
            self._flush()
        self._open("output")
        self._spin(_RUNNING)
        for line in self._lines(text):
            self._output_line(line)

    def note(self, text: str, style: str = "") -> None:
        """A line of ours between the blocks."""
        self.end()
        self._console.print(Text(plain(text), style), soft_wrap=True)

    def saved(self, path: Path) -> None:
        """A file is there."""
        self.end()
        self._console.print(Text("└ ", "bright_black"), Text(str(path), "green"), sep="", soft_wrap=True)

    def end(self) -> None:
        """The block is whole, and nothing is waited for."""
        self._flush()
        self._live.stop()
        self._block = None

    def _spin(self, reason: str) -> None:
        self._working.on(reason)
        if self._console.is_terminal:
            self._live.start()

    def _open(self, block: Block) -> None:
        if block != self._block:
            joined = (self._block, block) == ("code", "output")
            self._flush()
            if not joined:
                self._console.print()
            self._block = block

    def _flush(self) -> None:
        """Finish the open line, and show the traceback that has been gathered."""
        tail, self._tail = self._tail, ""
        match self._block:
            case "text":
                self._word(tail)
                if self._column:
                    self._word("\n")
            case "code":
                if tail:
                    self._code_line(tail)
                self._code.clear()
            case "output":
                if tail:
                    self._output_line(tail)
                self._last_lines()
                self._error_lines()
            case None:
                pass
        self._working.tail = None

    def _lines(self, text: str) -> Iterator[str]:
        """The lines that the text completes; the rest is shown as the unfinished one."""
        *whole, self._tail = (self._tail + text).split("\n")
        yield from whole
        if self._traceback is None:
            tail = self._tail[-_WIDEST:]
            unfinished = _spelled(tail)[-1] if self._block == "code" else _last_drawn(tail)
            self._working.tail = _gutter(self._block or "output", Text(unfinished)) if unfinished else None

    def _word(self, word: str) -> None:
        """Print a word with the space after it; in a terminal on the next line, if this one is full."""
        if self._console.is_terminal and self._column + cell_len(word.rstrip()) > self._console.width:
            self._column = 0
            self._console.print()
        self._console.print(Text(word), end="", soft_wrap=True)
        self._column = 0 if word.endswith("\n") else self._column + cell_len(word)

    def _code_line(self, line: str) -> None:
        # Highlighted with the lines before it, since a string may have begun in one of them.
        for each in _spelled(line):
            self._code = [*self._code[-_CONTEXT:], each]
            code = Syntax("", "python", theme="ansi_dark").highlight("\n".join(self._code))
            highlighted = code.split("\n", allow_blank=True)[len(self._code) - 1]
            self._console.print(_gutter("code", highlighted), soft_wrap=True)

    def _output_line(self, line: str) -> None:
        line = _last_drawn(line)
        if self._traceback is not None:
            self._traceback.append(line)
        elif RULE.fullmatch(line):
            self._traceback = [line]
        else:
            self._printed += 1
            if self._printed <= _MOST_LINES:
                self._print_all("output", [Text(line)])
            else:
                self._last.append(line)

    def _last_lines(self) -> None:
        """The end of an output that was too long to be shown."""
        if (left_out := self._printed - _MOST_LINES - len(self._last)) > 0:
            self._print_all("output", [Text(f"… {left_out:,} more lines in the notebook", "bright_black")])
        self._print_all("output", map(Text, self._last))
        self._printed = 0
        self._last.clear()

    def _error_lines(self) -> None:
        lines, self._traceback = self._traceback or [], None
        if not is_traceback(lines):
            self._print_all("output", (Text(line) for line in lines))
            return
        error, *where = shortened(lines)
        self._print_all("error", [Text(error, "bold red"), *(Text(line, "red") for line in where)])
        if left_out := len(lines) - 1 - len(where):
            self._print_all(
                "error", [Text(f"… {left_out} more lines of traceback in the notebook", "bright_black")]
            )

    def _print_all(self, gutter: str, lines: Iterable[Text]) -> None:
        for line in lines:
            self._console.print(_gutter(gutter, line), soft_wrap=True)


class _Working:
    """The part that is redrawn: the unfinished line, and a spinner with what is waited for and how long."""

    def __init__(self) -> None:
        self.tail: Text | None = None
        self._reason = ""
        self._started = self._touched = time.monotonic()
        self._spinner = Spinner("dots", style="blue")

    def on(self, reason: str) -> None:
        self._touched = time.monotonic()
        if reason != self._reason:
            self._reason, self._started = reason, self._touched

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = time.monotonic()
        reason, started = self._reason, self._started
        if reason == _WRITING and now - self._touched > _QUIET:
            reason, started = _RUNNING, self._touched
        if self.tail:
            line = self.tail.copy()
            line.truncate(options.max_width, overflow="ellipsis")
            yield line
        self._spinner.update(text=Text(f"{reason} {now - started:.0f} s", "bright_black"))
        yield self._spinner


def _gutter(kind: str, line: Text) -> Text:
    return Text.assemble(_GUTTERS[kind], line)


def _spelled(line: str) -> list[str]:
    """A line of code with nothing hidden; one that is more for Python is more here."""
    return visible(line.removesuffix("\r")).split("\n")


def _last_drawn(line: str) -> str:
    """What is left of a line that was drawn over by carriage returns, such as a progress bar."""
    return plain(line.rstrip("\r").rpartition("\r")[2])
