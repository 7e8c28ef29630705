"""The README's table of shapes, made by asking for each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.shapes.replies import FAMILIES
from tests.shapes.shape import Shape, ask, judge
from tests.shapes.upstreams import SERVERS
from tests.upstream import Upstream

README = Path(__file__).parents[2] / "README.md"
_BETWEEN = re.compile(r"(?s)(?<=<!-- shapes: made by `python -m tests.shapes` -->\n).*(?=<!-- end of shapes -->)")


async def made() -> str:
    """The table, in Markdown."""
    with Upstream() as upstream:
        servers = ["| start with | shapes it streams | recovered |", "|---|---|---|"]
        for server in SERVERS:
            shapes = [shape for _, shape in server.shapes]
            names = "; ".join(shape.name for shape in shapes)
            servers.append(f"| {server.name}: `{server.start}` | {names} | {await _share(shapes, upstream)} |")
        families = ["| shape of a reply | recovered |", "|---|---|"]
        for family, shapes in FAMILIES.items():
            families.append(f"| **{family}** | {await _share(shapes, upstream)} |")
            families += [f"| {_cell(shape)} | {await _mark(shape, upstream)} |" for shape in shapes]
    every = "\n".join(["<details><summary>Every shape</summary>", "", *families, "", "</details>"])
    return "\n" + "\n".join([*servers, "", every]) + "\n\n"


def current() -> str:
    """The table that the README has."""
    found = _BETWEEN.search(README.read_text(encoding="utf-8"))
    assert found, "the README has no place for the table"
    return found[0]


def write(table: str) -> None:
    """Put a table into the README."""
    text = README.read_text(encoding="utf-8")
    README.write_text(_BETWEEN.sub(lambda _: table, text), encoding="utf-8")


def _cell(shape: Shape) -> str:
    return shape.name.replace("|", "\\|")


async def _share(shapes: Iterable[Shape], upstream: Upstream) -> str:
    came = [await _passes(shape, upstream) for shape in shapes]
    return f"{sum(came)} of {len(came)}"


async def _mark(shape: Shape, upstream: Upstream) -> str:
    return "yes" if await _passes(shape, upstream) else "**no**"


async def _passes(shape: Shape, upstream: Upstream) -> bool:
    try:
        judge(shape, await ask(shape, upstream))
    except Exception:  # whatever it is, the shape is not recovered
        return False
    return True
