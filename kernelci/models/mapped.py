"""Several upstreams at once: a TOML file says which of them, and which of its models, serves each name.

default = "local"

[upstreams.local]
url = "http://127.0.0.1:11434/v1"
model = "qwen3:8b"

[upstreams.cloud]
url = "https://api.openai.com/v1"
key_env = "OPENAI_API_KEY"
price = { prompt = 1.25, cached = 0.125, completion = 10 }

[names]
"gpt-4-1106-preview" = "local"
"gpt-4o*" = { upstream = "cloud", model = "gpt-5-mini", price = { prompt = 0.25, completion = 2 } }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from kernelci.engine.ports.model import Model
from kernelci.errors import StartupError
from kernelci.models.catalog import Catalog
from kernelci.models.endpoint import Endpoint
from kernelci.protocol.usage import Price
from kernelci.settings import variable


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Upstream(_Strict):
    """An endpoint. Its key is here, or in the environment variable that `key_env` names. Its price is that of all
    its models, but for names that have their own.
    """

    url: str
    model: str | None = None
    key: SecretStr | None = None
    key_env: str | None = None
    price: Price | None = None


class Target(_Strict):
    """What serves a name: an upstream, by its own model and at its own price unless another is said."""

    upstream: str
    model: str | None = None
    price: Price | None = None


def _target(value: object) -> object:
    return {"upstream": value} if isinstance(value, str) else value


class Served(_Strict):
    """The whole file. Names may be patterns, with * and ?; a name that none fits goes to `default`, or else to the
    first upstream.
    """

    upstreams: dict[str, Upstream] = Field(min_length=1)
    names: dict[str, Annotated[Target, BeforeValidator(_target)]] = {}
    default: str | None = None

    def target_of(self, name: str) -> Target:
        """What serves a name: as said of it, by the first pattern that fits, as an upstream's model, or else."""
        if exact := self.names.get(name):
            return exact
        fitting = (target for pattern, target in self.names.items() if fnmatchcase(name, pattern))
        own = (Target(upstream=each) for each, upstream in self.upstreams.items() if upstream.model == name)
        return next(fitting, None) or next(own, None) or Target(upstream=self.default or next(iter(self.upstreams)))


class MappedCatalog:
    """Serves each name by the upstream that the file says. Closes its clients on exit."""

    def __init__(self, served: Served, catalogs: Mapping[str, Catalog]) -> None:
        self._served = served
        self._catalogs = catalogs
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for catalog in self._catalogs.values():
            await self._stack.enter_async_context(catalog)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def names(self) -> tuple[str, ...]:
        said = [name for name in self._served.names if not set(name) & set("*?[")]
        own = [upstream.model for upstream in self._served.upstreams.values() if upstream.model]
        return tuple(dict.fromkeys([*said, *own])) or ("default",)

    def serving(self, model: str) -> tuple[Model, str]:
        target = self._served.target_of(model)
        served, name = self._catalogs[target.upstream].serving(model)
        return served, target.model or name

    def price(self, model: str) -> Price | None:
        target = self._served.target_of(model)
        return target.price or self._served.upstreams[target.upstream].price

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The upstreams that some name may be served by without a known price."""
        return tuple(name for name, upstream in self._served.upstreams.items() if upstream.price is None)

    def describe(self) -> str:
        """The sentences that tell a person where conversations go."""
        upstreams = [f"{name}: {catalog.describe()}" for name, catalog in self._catalogs.items()]
        names = [
            f"{name} is served by {target.upstream}{f', as {target.model}' if target.model else ''}."
            for name, target in self._served.names.items()
        ]
        return "\n".join(
            [*upstreams, *names, f"Any other name is served by {self._served.target_of('').upstream}."]
        )


def mapped_by(file: Path, *, asks: bool = True) -> MappedCatalog:
    """The catalog that a file describes; `asks` as `ChatModel` has it.

    Raises:
        StartupError: the file cannot be read, or says what cannot be.
    """
    try:
        served = Served.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise StartupError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"{file} is no TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{file} cannot be read: {error}") from None
    named = [*(target.upstream for target in served.names.values()), *([served.default] if served.default else [])]
    for name in named:
        if name not in served.upstreams:
            raise StartupError(f"{file}: there is no upstream named {name!r}.")
    return MappedCatalog(
        served, {name: Catalog(_endpoint(file, name, each), asks=asks) for name, each in served.upstreams.items()}
    )


def _endpoint(file: Path, name: str, upstream: Upstream) -> Endpoint:
    key = upstream.key
    if upstream.key_env and not key:
        key = variable(upstream.key_env)
        if key is None:
            raise StartupError(f"{file}: upstreams.{name}: the environment has no variable {upstream.key_env!r}.")
    try:
        return Endpoint(upstream.url, upstream.model, key)
    except StartupError as error:
        raise StartupError(f"{file}: upstreams.{name}: {error.message}") from None
