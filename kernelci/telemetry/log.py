"""How a log line is written: one line a fact, as `key=value` pairs or as JSON, to standard error.

A line has `time` (UTC), `level`, `action` (the fact's name; a library's line has its `logger` instead), the ids and
figures of the fact, those of the run in whose task it was written, and `message`, its words. Above the debug level
an exception is told by its kind and by where it was raised, without its own words: those may hold a message's text,
a key or code. What the system says of files and sockets is told.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

from kernelci.telemetry.current import current

Form = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

_OURS = "kernelci"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "action"}
_BARE = re.compile(r"[^\s\"'=\\{}]+")
_PLACES = 8


def to_stderr(form: Form, level: Level) -> None:
    """Have this process write its log so, and nobody's log otherwise.

    Libraries are heard from warnings on, unless the level is `debug`: then they say all they know, messages and
    code included.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Line(_json if form == "json" else _text, in_full=level == "debug"))
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, _number(level)), force=True)
    if level == "debug":
        logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger(_OURS).setLevel(_number(level))
    logging.captureWarnings(True)


class _Line(logging.Formatter):
    """Writes a record with this function, its exception in full or as far as everybody may read it."""

    def __init__(self, write: Callable[[dict[str, object]], str], *, in_full: bool) -> None:
        super().__init__()
        self._write = write
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        return self._write({name: value for name, value in self._fields(record) if value is not None})

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, object]]:
        ours = record.name.partition(".")[0] == _OURS
        yield "time", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        yield "level", record.levelname.lower()
        yield ("action", vars(record).get("action")) if ours else ("logger", record.name)
        if whose := current():
            yield "run_id", whose.run_id
            yield "thread_id", whose.thread_id
        if ours:
            yield from ((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        yield "message", record.getMessage()
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            yield "exception", "".join(traceback.format_exception(error)) if self._in_full else _outline(error)


def _outline(error: BaseException) -> str:
    """An exception's kind and where it was raised, with those that led to it, the first of all last."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < _PLACES:
        told.append(f"{type(seen).__name__}{_by_the_system(seen)} at {_places(seen)}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return ", from ".join(told)


def _by_the_system(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f" ({error.strerror})"
    return f" ({error})" if isinstance(error, sqlite3.OperationalError) else ""


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)


def _text(fields: dict[str, object]) -> str:
    return " ".join(f"{name}={_pair(value)}" for name, value in fields.items())


def _pair(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if _BARE.fullmatch(text) and text.isprintable() else _quoted(text)


def _quoted(text: str) -> str:
    """The text in quotes, what cannot be seen or would command a terminal as an escape."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in quoted)


def _json(fields: dict[str, object]) -> str:
    return json.dumps(
        {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()},
        default=str,
    )


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
