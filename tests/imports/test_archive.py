"""An export on the disk: a folder or a zip, with whatever else lies in it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from kernelci.errors import StartupError
from kernelci.imports import archive
from kernelci.imports.archive import DAMAGED, Archive, Unreadable, texts


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
        found = {member.name: [json.loads(text) for _, text in texts(member)] for member in archive.documents()}
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


def test_what_a_mac_or_windows_makes_of_a_zip_is_the_same_export(tmp_path: Path) -> None:
    made = tmp_path / "x.zip"
    with zipfile.ZipFile(made, "w") as writing:
        for name in ("export\\a.json", "export\\contents\\file-1\\מכירות.csv", "export\\empty\\"):
            writing.writestr(name, "{}")
        for name in ("__MACOSX/export/._a.json", "export/contents/._file-1", "__MACOSX/contents/file-2"):
            writing.writestr(name, "what a Mac has to say of it")
    with Archive(made) as export:
        assert [member.name for member in export.documents()] == ["export/a.json"]
        assert sorted(export.contents()) == ["file-1"]


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = os.scandir

    def scandir(place: str) -> object:
        if Path(place).name == "contents":
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return listing(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StartupError, match="contents cannot be read: Permission denied"):
        Archive(folder)


def test_page_2_comes_before_page_10(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"page-{number}.json").write_text("[]")
    with Archive(tmp_path) as export:
        assert [member.name for member in export.documents()] == ["page-1.json", "page-2.json", "page-10.json"]


def test_wherever_a_zip_is_damaged_that_is_told(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole.zip", tmp_path / "damaged.zip"
    for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(whole, "w", packing) as writing:
            writing.writestr("a.jsonl", '{"object": "thread"}\n' * 9)
            writing.writestr("contents/file-1", "one" * 20)
        good = whole.read_bytes()
        for place in range(len(good)):
            damaged.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
            with suppress(StartupError), Archive(damaged) as export:
                for document in export.documents():
                    with suppress(Unreadable):
                        list(texts(document))
                for content in export.contents().values():
                    with suppress(*DAMAGED), content.open() as handle:
                        handle.read()


@pytest.mark.parametrize("name", ["a.jsonl", "contents/file-1"])
def test_what_is_packed_too_well_is_not_unpacked(tmp_path: Path, name: str) -> None:
    for size in (archive.SMALL, archive.SMALL + 1):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as writing:
            writing.writestr(name, b"\n" * size)
            writing.writestr("padding", b"\0" * 400_000, zipfile.ZIP_STORED)
        with Archive(tmp_path / "x.zip") as export:
            member = next(iter([*export.documents(), *export.contents().values()]))
            if size == archive.SMALL:
                member.open().close()
            else:
                with pytest.raises(Unreadable, match="unpacked it is 1028 times as large"):
                    member.open()


@pytest.mark.parametrize(
    ("limit", "most", "said"),
    [("MOST", 1, "more than 1 files"), ("ALL", 3, "MiB of JSON"), ("SMALL", 1, "times as large")],
)
def test_an_export_that_is_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, said: str
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as writing:
        for name in ("a.json", "b.json"):
            writing.writestr(name, "[]" + " " * 100_000)
    Archive(tmp_path / "x.zip")
    monkeypatch.setattr(archive, limit, most)
    with pytest.raises(StartupError, match=said):
        Archive(tmp_path / "x.zip")


def test_a_value_and_a_line_have_their_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    (tmp_path / "b.jsonl").write_text("[1]\n[2, 3]\n")
    monkeypatch.setattr(archive, "WHOLE", 5)
    monkeypatch.setattr(archive, "LINE", 5)
    with Archive(tmp_path) as export:
        whole, lines = export.documents()
        with pytest.raises(Unreadable, match="it may, named"):
            list(texts(whole))
        with pytest.raises(Unreadable, match="line 2 has more than"):
            list(texts(lines))


def test_nothing_and_what_is_no_zip_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    for name, said in (("x.zip", "neither a folder nor a zip"), ("missing", "There is no")):
        with pytest.raises(StartupError, match=said):
            Archive(tmp_path / name)
