"""Every generation of the official SDKs, Python and Node, walks the API on all surfaces. Needs Node and npm."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.conftest import KEY, Clerk
from tests.contract.readme import QUESTION, program, variables, without_an_address
from tests.contract.sdks import SCRIPTS, in_node, in_python, walk

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("version", ["1.3.5", "1.20.0"])
def test_v1(version: str, server: str) -> None:
    walk("v1.py", version, server)


@pytest.mark.parametrize("version", ["1.109.1", "2.44.0", "3.54.0"])
def test_v2(version: str, server: str) -> None:
    walk("v2.py", version, server)


def test_a_strict_server_refuses_no_sdk_anything(tmp_path: Path) -> None:
    with running(Settings(data_dir=tmp_path, port=0, api_key=SecretStr(KEY), strict=True), Clerk()) as url:
        walk("v1.py", "1.20.0", url, "strict")
        walk("v2.py", "3.54.0", url, "strict")


@pytest.mark.parametrize("version", ["1.20.0", "1.109.1", "2.44.0"])
@pytest.mark.parametrize(
    ("client", "first"), [("OpenAI", "OPENAI_BASE_URL"), ("AzureOpenAI", "AZURE_OPENAI_ENDPOINT")]
)
def test_the_readmes_python_program(open_server: str, version: str, client: str, first: str) -> None:
    source = without_an_address(program("python", open_server), client)
    done = in_python(version, "-c", source, **variables(first, open_server))
    assert done.stdout == f"{QUESTION}\n", done.stderr


@pytest.mark.parametrize(
    ("client", "first"), [("OpenAI", "OPENAI_BASE_URL"), ("AzureOpenAI", "AZURE_OPENAI_ENDPOINT")]
)
def test_the_readmes_node_program(open_server: str, tmp_path: Path, client: str, first: str) -> None:
    source = program("js", open_server)
    script = tmp_path / "program.mjs"
    script.write_text(source)
    assert in_node(script).stdout == f"{QUESTION}\n"
    script.write_text(without_an_address(source, client))
    assert in_node(script, **variables(first, open_server)).stdout == f"{QUESTION}\n"


def test_node(server: str) -> None:
    done = in_node(SCRIPTS / "walk.mjs", server, KEY)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr
