"""Files below a folder that hostile code writes to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelci.sandbox import beneath


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a.csv", ("a.csv",)),
        ("./a//b/./c.csv", ("a", "b", "c.csv")),
        ("..a/b..", ("..a", "b..")),
        ("", None),
        ("/a", None),
        ("a/../b", None),
        ("a\0", None),
        ("\ud800", None),
        ("a/" * 3000, None),
    ],
)
def test_parts_of_a_path(path: str, parts: tuple[str, ...] | None):
    assert beneath.parts_of(path) == parts


@pytest.mark.parametrize("open_below", [beneath.open_beneath, beneath.walk_beneath])
def test_both_ways_open_files_and_refuse_links(tmp_path: Path, open_below):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"inside")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a" / "link").symlink_to("b/c")
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        opened = open_below(root, ("a", "b", "c"))
        assert os.read(opened, 100) == b"inside"
        assert not os.get_inheritable(opened)
        os.close(opened)
        for refused in (("link", "b", "c"), ("a", "link"), ("a", "none"), ("a", "b", "c", "d")):
            with pytest.raises(OSError, match=r"symbolic links|Not a directory|No such file"):
                open_below(root, refused)
    finally:
        os.close(root)


@pytest.mark.parametrize("open_below", [beneath.open_beneath, beneath.walk_beneath])
def test_both_ways_stay_on_the_file_system(open_below):
    root = os.open("/", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="cross-device"):
            open_below(root, ("proc", "version"))
    finally:
        os.close(root)


def test_a_folder_is_removed_with_all_it_holds(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    doomed = tmp_path / "doomed"
    (doomed / "a" / "b").mkdir(parents=True)
    (doomed / "a" / "b" / "to_outside").symlink_to(outside)
    (doomed / "to_outside").symlink_to(outside)
    os.mkfifo(doomed / "a" / "fifo")
    os.link(outside / "precious", doomed / "hard")
    (doomed / "a" / "b").chmod(0)
    (doomed / "a").chmod(0)
    beneath.remove(doomed)
    beneath.remove(doomed)

    assert list(tmp_path.iterdir()) == [outside]
    assert (outside / "precious").read_bytes() == b"x"


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path):
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    here = os.open(doomed, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=here)
        here, above = os.open("deeper", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    beneath.remove(doomed)

    assert not doomed.exists()


def test_a_link_is_not_taken_for_the_folder(tmp_path: Path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    with pytest.raises(OSError, match="link"):
        beneath.remove(tmp_path / "link")

    assert (tmp_path / "kept" / "file").exists()
