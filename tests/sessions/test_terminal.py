"""What a program printed, as a terminal would finally show it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.sessions.terminal import plain, shown


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("one\ntwo\tthree\n", "one\ntwo\tthree\n"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        (" 10%\r 50%\r100%\n", "100%\n"),
        ("long line\rshort", "shortline"),
        ("long line\r\x1b[Kshort", "short"),
        ("long line\x1b[2K\rshort", "short"),
        ("abc\b\bX", "aXc"),
        ("\b\bX", "X"),
        ("a\rb\nc\rd", "b\nd"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[31mlong\x1b[0m\rb", "bong"),
        ("\x1b]0;title\x07\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07copied", "copied"),
        ("up\x1b[A\x1b[10;10Hdown", "updown"),
        ("\x9b31mred", "31mred"),
        ("bell\a, \x0bfeed\x0c", "bell, feed"),
        ("a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("\x1b", ""),
        ("שלום\rא", "אלום"),
    ],
)
def test_shown(printed: str, text: str):
    assert shown(printed) == text


@given(st.text(alphabet=st.sampled_from("ab \n\t\r\b\x1b[]0;1mKHA\x07\\\x9b\0\ud800א"), max_size=60))
def test_nothing_is_left_that_could_drive_a_terminal(printed: str):
    for text in (shown(printed), plain(printed)):
        text.encode()
        assert not [
            letter for letter in text if (ord(letter) < 32 and letter not in "\n\t") or 127 <= ord(letter) < 160
        ]
