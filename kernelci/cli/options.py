"""The settings as options of a command. What each is called and means is said once, in settings.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import starmap
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from kernelci.errors import StartupError
from kernelci.settings import Settings

SERVING = tuple(name for name, field in Settings.model_fields.items() if not field.validation_alias)
"""All of them but what only the environment says, under another's name."""

STATE = ("data_dir", "cache_dir")
TALKING = (
    *STATE,
    "kernel",
    "api_key",
    "model_url",
    "model_key",
    "model",
    "models",
    "execution_timeout",
    "sandbox",
    "approval",
)


def takes(*fields: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these settings as options. It gets them as its first argument, with all the others."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = list(inspect.signature(command).parameters.values())[1:]
        options = {field: _option(field, Settings.model_fields[field]) for field in fields}

        def with_settings(**values: object) -> None:
            command(settings_from({field: values.pop(field) for field in fields}), **values)

        with_settings.__name__ = command.__name__
        with_settings.__doc__ = command.__doc__
        with_settings.__annotations__ = {**options, **{each.name: hints[each.name] for each in own}}
        with_settings.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
            [
                *(each.replace(annotation=hints[each.name]) for each in own),
                *(
                    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
                    for name, option in options.items()
                ),
            ]
        )
        return with_settings

    return decorate


def settings_from(options: dict[str, Any]) -> Settings:
    """The settings; an option that is given counts more than the environment, None is one that is not.

    Raises:
        StartupError: one of them cannot be right.
    """
    try:
        return Settings(**{field: value for field, value in options.items() if value is not None})
    except ValidationError as error:
        wrong: dict[str, list[str]] = {}
        for each in error.errors():
            wrong.setdefault(str(each["loc"][0]) if each["loc"] else "settings", []).append(_wrong(each))
        raise StartupError("\n".join(starmap(_complaint, wrong.items()))) from None


def _option(name: str, field: FieldInfo) -> object:
    annotation = get_type_hints(Settings)[name]
    kind = annotation if annotation in (bool, int, float, Path) else str  # keys and what may be missing are text
    about = typer.Option(f"--{_dashed(name)}", help=f"{field.description} ({_variable(name)})", show_default=False)
    return Annotated[kind | None, about]


def _complaint(field: str, wrong: list[str]) -> str:
    """What is wrong with a setting; of one that may be of several kinds, what it would have to be for each."""
    first, *others = wrong
    told = "; or ".join([first, *(each[:1].lower() + each[1:] for each in others)])
    return f"--{_dashed(field)} ({_variable(field)}): {told}."


def _wrong(error: ErrorDetails) -> str:
    size = error["type"].startswith("byte_size")
    return "A size is a number of bytes, or one with its unit, such as 512MiB or 2GiB" if size else error["msg"]


def _dashed(field: str) -> str:
    return field.replace("_", "-")


def _variable(field: str) -> str:
    return f"KERNELCI_{field.upper()}"
