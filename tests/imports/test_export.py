"""What is found in an export, and what is said of that which cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelci.errors import StartupError
from kernelci.imports import export
from kernelci.imports.archive import Archive
from kernelci.imports.export import Export
from kernelci.protocol.parts import JsonObject

THREAD = {"object": "thread", "id": "thread_1", "created_at": 1}


def read(folder: Path) -> tuple[Export, list[str]]:
    """The export in a folder, and what was left out of it."""
    left: list[str] = []
    with Archive(folder) as archive:
        return Export(archive, left.append), left


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '"\xff"', ""])
def test_what_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    (said,) = read(tmp_path)[1]
    assert said.startswith("x.json: it is no JSON (")


def test_a_broken_line_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    lines = [json.dumps(THREAD), "{", "", "}", json.dumps(THREAD | {"id": "thread_2"})]
    (tmp_path / "x.jsonl").write_text("\n".join(lines), encoding="utf-8-sig")
    found, (said,) = read(tmp_path)
    assert list(found.threads) == ["thread_1", "thread_2"]
    assert said.startswith("x.jsonl: line 2 is no JSON (")
    assert said.endswith("), and 1 more")


def test_more_objects_than_memory_may_be_taken_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_text(json.dumps([THREAD, THREAD | {"id": "thread_2"}]))
    monkeypatch.setattr(export, "MOST", 2)
    read(tmp_path)
    monkeypatch.setattr(export, "MOST", 1)
    with pytest.raises(StartupError, match="more than 1 objects"):
        read(tmp_path)


@pytest.mark.parametrize("id", ["../x", "", 5, None, ["x"], "x" * 129, "x" * 10_000, "\ud800"])
def test_what_cannot_be_an_id_is_told_of_in_few_words(tmp_path: Path, id: object) -> None:
    given: JsonObject = THREAD | {"id": id}
    (tmp_path / "x.json").write_text(json.dumps(given))
    found, (said,) = read(tmp_path)
    assert not found.threads
    assert "cannot be an id" in said
    assert len(said) < 300
