"""How the calls of a run are told to a person."""

from __future__ import annotations

import pytest

from kernelci.cli.live import readable


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"id": "out_3", "search": "\\u05e9\\u05d5\\u05e8\\u05d5\\u05ea"}', 'out_3, search "שורות"'),
        ('{"id": "out_1", "from_line": -20, "to_line": -1}', "out_1, from_line -20, to_line -1"),
        ("{}", ""),
        ('["out_1"]', '["out_1"]'),
        ('{"id": ', '{"id": '),
    ],
)
def test_arguments_are_told_in_letters(arguments: str, shown: str) -> None:
    assert readable(arguments) == shown
