"""Every generation of the official SDKs, Python and Node, walks the API on all surfaces. Needs Node and npm."""

from __future__ import annotations

import pytest

from tests.contract.conftest import KEY
from tests.contract.sdks import SCRIPTS, in_node, walk

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("version", ["1.3.5", "1.20.0"])
def test_v1(version: str, server: str) -> None:
    walk("v1.py", version, server)


@pytest.mark.parametrize("version", ["1.109.1", "2.44.0", "3.54.0"])
def test_v2(version: str, server: str) -> None:
    walk("v2.py", version, server)


def test_node(server: str) -> None:
    done = in_node(SCRIPTS / "walk.mjs", server, KEY)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr
