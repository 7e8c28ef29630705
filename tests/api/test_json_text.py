"""What JSON is let in, and how it goes out."""

from __future__ import annotations

import json

import pytest

from kernelci.api.json_text import json_bytes, parsed


@pytest.mark.parametrize(
    "raw", [b"NaN", b"[Infinity]", b'{"a":[1e999]}', b"-1E+400", b"9" * 400 + b".0", b'"\\ud800"', b""]
)
def test_what_could_not_be_sent_again_is_not_let_in(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(raw)


@pytest.mark.parametrize("value", ["1e999", 1e300, 10**400, [0.5, {"a": None}], "שלום 🎉", "\0\n\x85"])
def test_everything_else_is(value: object) -> None:
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(json_bytes({"a": value})) == {"a": value}


def test_what_is_sent_has_no_line_break_that_any_reader_knows() -> None:
    sent = json_bytes({"a": "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"})
    assert len(sent.decode().splitlines()) == 1
    assert json.loads(sent) == {"a": "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert json_bytes({"a": "é\ud83d"}) == b'{"a":"\xc3\xa9\\ud83d"}'
