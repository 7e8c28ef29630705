"""The names that people's files get in a session's folder."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.protocol.filenames import LONGEST, names, safe


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("data.csv", "data.csv"),
        ("נתונים 2026.xlsx", "נתונים 2026.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\data.csv", "data.csv"),
        ("a\0b\nc.csv", "a_b_c.csv"),
        ("-rf.csv", "_rf.csv"),
        ("gpj\u202egnp.exe", "gpjgnp.exe"),
        ("\ud800.csv", "_.csv"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("/", "unnamed"),
        (" \t", "_"),
        ("file-AbC123", "_file-AbC123"),
        ("assistant-AbC123", "_assistant-AbC123"),
        (".env", ".env"),
        ("e\u0301.csv", "\u00e9.csv"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
        ("ש" * 300 + ".csv", "ש" * 125 + ".csv"),
        ("a." + "x" * 300, ("a." + "x" * 300)[:255]),
    ],
)
def test_a_name_is_safe_and_recognisable(filename: str, name: str):
    assert safe(filename) == name


def test_the_first_of_a_name_has_it():
    files = [("file-aaaaaa1", "data.csv"), ("file-bbbbbb2", "data.csv"), ("file-cccccc3", "DATA.CSV")]

    assert list(names(files).values()) == ["data.csv", "data-bbbbb2.csv", "DATA-ccccc3.CSV"]


def test_names_that_are_one_in_another_normal_form_collide():
    files = [("file-aaaaaa1", "caf\u00e9.csv"), ("file-bbbbbb2", "cafe\u0301.csv")]

    assert list(names(files).values()) == ["café.csv", "café-bbbbb2.csv"]


def test_a_collision_with_a_marked_name_is_marked_again():
    files = [("file-1", "d.csv"), ("file-222222", "d-222222.csv"), ("file-3222222", "d.csv"), ("x222222", "d.csv")]

    assert len(set(names(files).values())) == 4
    assert names(files)["file-3222222"] == "d-file-3222222.csv"


def test_files_keep_the_names_they_have():
    taken = {"file-old": "data.csv", "file-older": "more.csv"}
    files = [("file-new123", "data.csv"), ("file-old", "data.csv")]

    assert names(files, taken) == {"file-new123": "data-new123.csv", "file-old": "data.csv"}


@given(st.lists(st.text(max_size=400), max_size=8))
def test_any_filenames_give_distinct_names_that_a_file_system_takes(filenames: list[str]):
    files = [(f"file-{at:024}", filename) for at, filename in enumerate(filenames)]
    given_names = list(names(files).values())

    assert len({unicodedata.normalize("NFC", name.casefold()) for name in given_names}) == len(files)
    for name in given_names:
        assert 0 < len(name.encode()) <= LONGEST
        assert not set(name) & {"/", "\0", "\n"}
        assert name not in {".", ".."}
        assert name not in dict(files)
