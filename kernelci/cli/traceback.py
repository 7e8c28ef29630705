"""A traceback as IPython prints it, cut down to what a person wants to see at first."""

from __future__ import annotations

import re
from collections.abc import Sequence

RULE = re.compile(r"-{75}")
"""The line with which IPython opens a traceback."""

_HEADING = re.compile(r"\w[\w.]* +Traceback \(most recent call last\)")
_CELL = re.compile(r"Cell In\[\d+\], line \d+")
_ARROW = re.compile(r"-+> \d+ ")
_ERROR = re.compile(r"[A-Za-z_][\w.]*(: .*)?")


def is_traceback(lines: Sequence[str]) -> bool:
    """Whether the lines are what they seem to be from the rule on."""
    return len(lines) > 2 and bool(_HEADING.fullmatch(lines[1]))


def shortened(lines: Sequence[str]) -> list[str]:
    """The error, then the line of the cell that it came from, if it came from one."""
    ends = [at for at, line in enumerate(lines) if _ERROR.fullmatch(line)]
    error = lines[ends[-1]] if ends else lines[-1]
    cells = [at for at, line in enumerate(lines) if _CELL.match(line)]
    if not cells:
        return [error]
    arrow = next((line for line in lines[cells[-1] :] if _ARROW.match(line)), None)
    return [error, lines[cells[-1]], *([arrow] if arrow else [])]
