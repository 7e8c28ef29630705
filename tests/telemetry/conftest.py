"""A server whose model does as it is told, and what is told of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings

RUNS_TWICE = ScriptedModel([Turn(code="6*7"), Turn(code="1/0"), Turn(text="42")])


@dataclass(frozen=True)
class Client:
    """A client of a server."""

    http: httpx2.Client

    @classmethod
    @contextmanager
    def at(cls, url: str) -> Generator[Client]:
        """One of the server at this address."""
        with httpx2.Client(base_url=url, trust_env=False, timeout=100) as http:
            yield cls(http)

    def run(self, words: str = "?", model: str = "m") -> str:
        """A run on a new thread, to its end; gives its stream."""
        assistant = self.http.post(
            "/v1/assistants", json={"model": model, "tools": [{"type": "code_interpreter"}]}
        ).json()
        thread = {"messages": [{"role": "user", "content": words}]}
        run = {"assistant_id": assistant["id"], "thread": thread, "stream": True}
        return self.http.post("/v1/threads/runs", json=run).text

    def metrics(self) -> dict[str, float]:
        """The value of each series."""
        answer = self.http.get("/metrics")
        assert answer.status_code == 200
        return {
            f"{sample.name}{dict(sorted(sample.labels.items())) or ''}": sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@contextmanager
def served(folder: Path, models: ScriptedModel | None = RUNS_TWICE, **changes: object) -> Generator[Client]:
    """A server with real kernels, on that data folder."""
    settings = Settings(data_dir=folder, port=0, **changes)  # type: ignore[arg-type]
    with running(settings, models) as url, Client.at(url) as client:
        yield client
