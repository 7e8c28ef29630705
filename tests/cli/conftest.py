"""The console script in processes of its own, in a folder and an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernelci.sandbox.environment import environment
from kernelci.settings import Settings

LISTENING = "kernelci is listening on "

STRAY = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OPENAI_API_KEY": "sk-of-another",
    "OPENAI_ORG_ID": "org-of-another",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer of-another",
    "AZURE_OPENAI_AD_TOKEN": "of-another",
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
}
"""Variables that are meant for other programs: our clients reach our server all the same."""


@dataclass(frozen=True)
class Command:
    """The command `kernelci`, as a person has it."""

    folder: Path
    variables: dict[str, str]
    within: tuple[str, ...] = ()
    """A command that it is started by."""

    def run(
        self, *arguments: str | Path, typed: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess:
        """Run it to its end."""
        return subprocess.run(
            self.argv(arguments),
            cwd=self.folder,
            env=self.variables | variables,
            input=typed,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    @contextmanager
    def started(self, *arguments: str | Path, **variables: str) -> Generator[subprocess.Popen[str]]:
        """It runs while the block lasts, and is killed if it has not ended by then."""
        with subprocess.Popen(
            self.argv(arguments),
            cwd=self.folder,
            env=self.variables | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def argv(self, arguments: tuple[str | Path, ...]) -> list[str]:
        """The command line."""
        return [*self.within, str(Path(sys.executable).parent / "kernelci"), *map(str, arguments)]


@pytest.fixture(scope="session")
def cache() -> Path:
    """The cache folder, with the environment of the model's code in it."""
    folder = Settings().cache_dir
    environment(folder).prepare()
    return folder


@pytest.fixture
def settings(tmp_path: Path, cache: Path) -> Settings:
    """A server's settings on the data folder that the command has, too."""
    return Settings(data_dir=tmp_path / "data", cache_dir=cache, host="127.0.0.1", port=0, api_key=None)


@pytest.fixture
def kernelci(tmp_path: Path, settings: Settings) -> Command:
    """The command in an empty working folder."""
    working = tmp_path / "working"
    working.mkdir()
    return Command(
        working,
        {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "KERNELCI_DATA_DIR": str(settings.data_dir),
            "KERNELCI_CACHE_DIR": str(settings.cache_dir),
            **STRAY,
        },
    )
