"""An export on the disk: a folder or a zip, with whatever else lies in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kernelci.errors import StartupError
from kernelci.imports.archive import Archive, Unreadable, values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "export"
    for name, text in {
        "a/assistants.json": '[{"object": "assistant"}]',
        "threads.JSONL": '{"object": "thread"}\n\n{"object": "thread"}\n',
        "notes.txt": "not ours",
        "contents/file-1": "one",
        "contents/file-2.json": '{"object": "file"}',
        "contents/assistant-3/מכירות.csv": "three",
        "contents/.file-4": "half",
    }.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize("zipped", [False, True])
def test_documents_and_contents_are_told_apart(folder: Path, zipped: bool) -> None:
    place = Path(shutil.make_archive(str(folder), "zip", folder)) if zipped else folder
    with Archive(place) as archive:
        found = {member.name: list(values(member)) for member in archive.documents()}
        contents = archive.contents()
        with contents["assistant-3"].open() as handle:
            assert handle.read() == b"three"
    assert found == {
        "a/assistants.json": [[{"object": "assistant"}]],
        "threads.JSONL": [{"object": "thread"}, {"object": "thread"}],
    }
    assert sorted(contents) == ["assistant-3", "file-1", "file-2"]


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "link.json").symlink_to(secret)
    (folder / "contents" / "file-9").symlink_to(secret)
    os.mkfifo(folder / "pipe.json")
    with Archive(folder) as archive:
        assert {member.name for member in archive.documents()} == {"a/assistants.json", "threads.JSONL"}
        assert "file-9" not in archive.contents()


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '"\xff"', ""])
def test_what_is_no_json_is_unreadable(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with Archive(tmp_path) as archive, pytest.raises(Unreadable):
        list(values(archive.documents()[0]))


def test_nothing_and_what_is_no_zip_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    for name, said in (("x.zip", "neither a folder nor a zip"), ("missing", "There is no")):
        with pytest.raises(StartupError, match=said):
            Archive(tmp_path / name)
