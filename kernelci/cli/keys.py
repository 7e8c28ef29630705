"""`kernelci keys`: who may use the server, and each with objects of their own. Works beside a running server."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kernelci.cli.options import STATE, takes
from kernelci.cli.screen import tell
from kernelci.cli.state import with_store
from kernelci.protocol.keys import Key, fresh
from kernelci.protocol.objects import LOCAL
from kernelci.settings import Settings
from kernelci.store.store import SqlStore

keys = typer.Typer(help="Make, list and revoke the keys of a data folder's server.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Whose it is.", show_default=False)]


@keys.command()
@takes(*STATE)
def add(settings: Settings, name: Name) -> None:
    """Make a key and print it, this once. From the first key on, the server lets nobody in without one."""
    text, key = fresh(name)
    with_store(settings, lambda store: store.keys.add(key))
    typer.echo(text)
    whose = "whatever is made without a named key" if name == LOCAL else f"only what is made under the name {name}"
    tell(
        Console(stderr=True),
        f"Keep it: it cannot be shown again. It sees {whose}. Clients send it as "
        "`Authorization: Bearer KEY` or `api-key: KEY`; kernelci's own commands read KERNELCI_API_KEY.",
        "bright_black",
    )


@keys.command("list")
@takes(*STATE)
def list_(settings: Settings) -> None:
    """List the keys: name, how the key begins, when it was made and last used."""
    table = Table("name", "key", "made", "last used", box=None, header_style="bright_black", pad_edge=False)
    for key in with_store(settings, _all):
        table.add_row(key.name, f"{key.beginning}…", _time(key.created_at), _time(key.used_at))
    Console().print(table)


@keys.command()
@takes(*STATE)
def revoke(settings: Settings, name: Name) -> None:
    """Take a key back: it opens nothing from now on. What was made with it stays."""
    left = with_store(settings, lambda store: _revoked(store, name))
    about = Console(stderr=True)
    tell(about, f"The key is revoked. What was made with it stays, for a new key named {name}.", "bright_black")
    if not left:
        tell(
            about,
            "It was the last one: a server that only this machine can reach asks for none now.",
            "yellow",
        )


async def _all(store: SqlStore) -> tuple[Key, ...]:
    return await store.keys.all()


async def _revoked(store: SqlStore, name: str) -> tuple[Key, ...]:
    await store.keys.drop(name)
    return await store.keys.all()


def _time(seconds: int | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
