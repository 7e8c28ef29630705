"""What a session has that may help after a failure, as text: names, types, near matches, columns, files, versions.

No code of the session's is called where that can be helped: of values only the types are asked, and of those of
numpy and pandas the shape. Imported by its neighbours in this folder, in the environment of the model's code.
"""

from __future__ import annotations

import builtins
import difflib
import functools
import importlib.metadata
import importlib.util
import keyword
import linecache
import os
import pkgutil
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

LONGEST = 3000
_LINE = 800
_MOST = 40
_MOST_SEEN = 2000
_WORD = re.compile(r"[^\W\d]\w*")
Held = list[tuple[str, Any]]
"""Names on the failed line, with their values."""

_MEMBER = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def told(names: dict[str, Any], hidden: Container[str], error: BaseException | None, folder: str) -> str:
    """The facts about an error in a session with these names, some hidden, and this folder of files, one a line."""
    own = {name: value for name, value in names.items() if name not in hidden}
    held = [(word, value) for word, value in _held(error, names) if word not in hidden]
    parts = (_about(error, own, held, folder), _on_the_line(held), _session(own))
    return "\n".join(dict.fromkeys(line[:_LINE] for line in chain.from_iterable(parts)))[:LONGEST]


def _about(error: BaseException | None, names: Mapping[str, Any], held: Held, folder: str) -> Iterator[str]:
    """What belongs to this kind of error."""
    match error:
        case ImportError():
            yield from _import(error)
        case NameError(name=str(name)):
            yield from _near(name, [*names, *dir(builtins)], "names")
            if importlib.util.find_spec(name):
                yield f"A module {name} is installed; it has not been imported here."
        case AttributeError(name=str(name), obj=obj):
            yield f"{name} was asked of: {_kind(obj)}{_version(obj)}"
            yield from _near(name, _members(obj), "attributes")
        case KeyError(args=(key, *_)):
            for label, value in held:
                if type(value) in (dict, pd.DataFrame, pd.Series):
                    yield from _near(key, value.keys(), f"keys of {label}")
        case OSError():
            yield from _files(error, folder)


def _import(error: ImportError) -> Iterator[str]:
    missing = _MEMBER.match(str(error))
    module = sys.modules.get(missing[2]) if missing else None
    if missing and module:
        yield f"{missing[2]}{_version(module)} has no {missing[1]}."
        yield from _near(missing[1], _members(module), f"names in {missing[2]}")
    elif error.name:
        top = error.name.partition(".")[0]
        installed = {each.name for each in pkgutil.iter_modules()} | set(sys.stdlib_module_names)
        yield f"{top} is {'' if top in installed else 'not '}installed{_version_of(top)}."
        yield from _near(top, installed, "modules")


def _files(error: OSError, folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        there = sorted(each.name + "/" * each.is_dir() for each in entries if not each.is_symlink())
    if isinstance(error.filename, str):
        yield from _near(os.path.basename(error.filename), there, "files")
    yield f"Files in {folder}: {_some(there)}"


def _on_the_line(held: Held) -> Iterator[str]:
    """The values that the failed line speaks of."""
    for label, value in held:
        if not _is(value, ModuleType):
            yield f"{label}: {_kind(value)}"
            if type(value) is pd.DataFrame:
                columns = [f"{name!r} ({kind})" for name, kind in zip(value.columns, value.dtypes, strict=True)]
                yield f"columns of {label}: {_some(columns)}"


def _session(names: Mapping[str, Any]) -> Iterator[str]:
    modules = {name: value for name, value in names.items() if _is(value, ModuleType) and name[:1] != "_"}
    values = [f"{name}: {_kind(value)}" for name, value in names.items() if name not in modules and name[:1] != "_"]
    yield f"Names in the session: {_some(values)}"
    if modules:
        yield f"Imported: {_some([f'{name}{_version(value)}' for name, value in modules.items()])}"


def _held(error: BaseException | None, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names on the failed line of a cell, with their values."""
    frame, line = _place(error, names)
    if frame:
        for word in dict.fromkeys(_WORD.findall(linecache.getline(frame.f_code.co_filename, line))):
            for scope in (frame.f_locals, names):
                if word in scope and not keyword.iskeyword(word):
                    yield word, scope[word]
                    break


def _place(error: BaseException | None, names: Mapping[str, Any]) -> tuple[FrameType | None, int]:
    """The innermost frame of a cell's own code, and its line."""
    place: tuple[FrameType | None, int] = (None, 0)
    step = error.__traceback__ if error else None
    while step is not None:
        if step.tb_frame.f_globals is names:
            place = (step.tb_frame, step.tb_lineno)
        step = step.tb_next
    return place


def _is(value: object, kind: type) -> bool:
    """`isinstance` without asking the value, which might lie, or run code."""
    return issubclass(type(value), kind)


def _kind(value: object) -> str:
    """A value's type, with its shape or length where asking for it calls nothing of the session's."""
    kind = type(value)
    if kind in (pd.DataFrame, pd.Series, np.ndarray):
        of = f" of {value.dtype}" if kind is not pd.DataFrame else ""  # pyright: ignore[reportAttributeAccessIssue]
        return f"{kind.__name__} {value.shape}{of}"  # pyright: ignore[reportAttributeAccessIssue]
    if kind in (str, bytes, list, tuple, dict, set):
        return f"{kind.__name__} of length {len(value)}"  # type: ignore[arg-type]
    if _is(value, ModuleType):
        return f"module {value.__name__}"
    if kind is type:
        return f"class {value.__name__}"  # type: ignore[attr-defined]
    return kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"


def _members(value: object) -> set[str]:
    """The names of a value's attributes, without asking the value."""
    found = {name for each in type(value).__mro__ for name in vars(each)}
    if _is(value, type):
        found |= {name for each in value.__mro__ for name in vars(each)}
    if type(value) is pd.DataFrame:
        found |= {name for name in value.columns[:_MOST_SEEN] if isinstance(name, str)}
    with suppress(AttributeError):  # it has slots, or is built in
        found |= {name for name in object.__getattribute__(value, "__dict__") if isinstance(name, str)}
    return {name for name in found if not name.startswith("_")}


def _near(wanted: object, there: Iterable[object], what: str) -> Iterator[str]:
    """What is called nearly so."""
    seen = islice(there, _MOST_SEEN)
    labels = {str(each).casefold(): each for each in seen if type(each) in (str, int)}
    close = difflib.get_close_matches(str(wanted).casefold(), labels, n=5, cutoff=0.6)
    if close:
        yield f"Near {wanted!r} among the {what}: {', '.join(repr(labels[each]) for each in close)}"


def _version(value: object) -> str:
    """The version of the library that a module is, or that a value comes from."""
    name = value.__name__ if _is(value, ModuleType) else type(value).__module__
    return _version_of(name.partition(".")[0])


def _version_of(module: str) -> str:
    if module in sys.stdlib_module_names or module == "__main__":
        return ""
    for distribution in _distributions().get(module, ())[:1]:
        return f" ({distribution} {importlib.metadata.version(distribution)})"
    return ""


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """What is installed, by the names of its modules."""
    return importlib.metadata.packages_distributions()


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _MOST} more" if len(items) > _MOST else ""
    return ", ".join(items[:_MOST]) + more if items else "none"
