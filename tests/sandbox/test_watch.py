"""A kernel of plain Jupyter whose files are too many: interrupted, and ended if it does not heed that."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kernelci.sandbox.watch import DiskLimits, watch_disk

DEAF = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.chdir(sys.argv[1])
for number in range(16):
    with open(str(number), 'wb') as file:
        file.write(bytes(1 << 20))
signal.pause()
"""


def test_one_that_does_not_heed_is_ended(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", DEAF, tmp_path]) as filling:
        watch_disk(filling.pid, tmp_path, DiskLimits(most=1 << 20, beyond=1 << 20))
    assert filling.returncode == -signal.SIGKILL


HEEDS = """
import os, signal, sys
try:
    signal.pause()
except KeyboardInterrupt:
    os.remove(sys.argv[1])
"""


def test_one_that_begins_in_a_full_folder_may_empty_it(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "large").write_bytes(bytes(16 << 20))
    with subprocess.Popen([sys.executable, "-c", HEEDS, tmp_path / "large"]) as heeding:
        watch_disk(heeding.pid, tmp_path, DiskLimits(most=1 << 20, beyond=1 << 20))
    assert heeding.returncode == 0
    assert not (tmp_path / "large").exists()
    assert "interrupted: the files in its /mnt/data take more than 1 MiB" in caplog.text
