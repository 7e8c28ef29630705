"""The architecture, kept: who may import whom, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kernelci

ROOT = Path(kernelci.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))

EVERYWHERE = {"errors", "settings"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "protocol": set(),
    "engine": {"protocol"},
    "api": {"engine", "protocol"},
    "models": {"engine.ports", "engine.events", "engine.counting", "protocol"},
    "store": {"engine.ports", "engine.events", "protocol"},
    "transcripts": {"engine.ports", "engine.events", "protocol"},
    "sessions": {"engine.ports", "engine.events", "protocol", "sandbox"},
    "sandbox": set(),
    "sandbox.inside": set(),
    "imports": {"engine", "protocol"},
    "telemetry": {"engine", "protocol"},
    "app": {"api", "engine", "protocol", "models", "sessions", "sandbox", "store", "telemetry", "transcripts"},
    "server": {"app", "engine", "models", "sandbox", "store"},
    "demo": {"app", "server", "models", "engine"},
    "cli": {
        *("app", "server", "demo", "engine", "imports", "protocol"),
        *("models", "sandbox", "store", "telemetry", "transcripts"),
    },
    "__main__": {"cli"},
    "__init__": {"app", "server"},
}


def room(path: Path) -> str:
    """The room a file is in: its top folder or file, and sandbox/inside, which is a house of its own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:2]) if parts[:2] == ("sandbox", "inside") else parts[0]


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, without the leading `kernelci.`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return {name.removeprefix("kernelci.") for name in found if name == "kernelci" or name.startswith("kernelci.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    for name in imported(path):
        allowed = MAY_IMPORT[here] | ({here} if here != "sandbox.inside" else set())
        if here != "sandbox.inside" and not here.startswith(("errors", "settings")):
            allowed = allowed | EVERYWHERE
        fits = name == "kernelci" or any(name == each or name.startswith(f"{each}.") for each in allowed)
        assert fits, f"{path.relative_to(ROOT)} may not import kernelci.{name}"


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "settings.py"], ids=lambda path: path.name)
def test_only_settings_reads_the_environment(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    reads = [node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    if room(path) != "sandbox.inside":  # what runs in the sandbox has an environment of its own
        assert not {"environ", "getenv", "environb"} & set(reads)


def test_no_file_is_a_warehouse() -> None:
    long = {
        str(path.relative_to(ROOT)): lines for path in FILES if (lines := len(path.read_text().splitlines())) > 350
    }
    assert not long, "split these by noun"
