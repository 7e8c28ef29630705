"""A file as large as files may be, up and down, at once and in parts: the server holds next to nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.served import served
from tests.bench.transfers import MEBIBYTE, SIZE, Client, write_random

MOST = 50 * MEBIBYTE


@pytest.mark.timeout(600)
def test_large_files_pass_through_without_staying_in_memory(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    write_random(source, SIZE)
    with served(tmp_path / "data") as server:
        client = Client(server)
        before = server.memory()
        server.forget_peak()
        whole = client.upload(source)
        in_parts = client.upload_in_parts(source)
        for file in (whole, in_parts):
            client.download(file, target)
            assert target.read_bytes() == source.read_bytes()
        assert server.peak() - before < MOST
