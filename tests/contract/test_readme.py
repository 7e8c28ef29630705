"""The README's page for the person whose program broke, line by line; its Node part is in tests/full."""

from __future__ import annotations

import subprocess
import sys

import httpx2
import pytest

from tests.contract.conftest import KEY
from tests.contract.readme import PAGE, QUESTION, program, variables, without_an_address

QUIET, IGNORED = "PYTHONWARNINGS", "ignore::DeprecationWarning"


def said(source: str, **variables: str) -> str:
    """What a program prints that has these variables and no others."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={QUIET: IGNORED, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_program_as_it_stands(open_server: str) -> None:
    assert f"{QUIET}={IGNORED}" in PAGE
    assert said(program("python", open_server)) == f"{QUESTION}\n"


@pytest.mark.parametrize(
    ("client", "first"), [("OpenAI", "OPENAI_BASE_URL"), ("AzureOpenAI", "AZURE_OPENAI_ENDPOINT")]
)
def test_variables_alone(open_server: str, client: str, first: str) -> None:
    source = without_an_address(program("python", open_server), client)
    assert open_server not in source
    assert said(source, **variables(first, open_server)) == f"{QUESTION}\n"


@pytest.mark.parametrize("base", ["/v1/{}", "/openai/v1/{}", "/openai/{}?api-version=2024-05-01-preview"])
@pytest.mark.parametrize("key", [{"authorization": f"Bearer {KEY}"}, {"api-key": KEY}])
def test_without_an_sdk(server: str, base: str, key: dict[str, str]) -> None:
    url = server + base.format("threads")
    made = httpx2.post(url, headers=key)
    assert (made.status_code, made.json()["tool_resources"]) == (200, {})
    assert httpx2.post(url).status_code == 401
