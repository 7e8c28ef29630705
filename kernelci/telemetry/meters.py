"""The facts as metrics, in Prometheus' text form. Their number is bounded: no id is a label, no path either, and of
the names of models only so many.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from kernelci.engine.driven import GoingOn
from kernelci.telemetry.facts import Answered, CellEnded, Fact, Replied, RunEnded, RunStarted
from kernelci.telemetry.names import OTHER, ModelNames

_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
_CELL = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300)
_RUN = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)
_REQUEST = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 10, 60, 600)


class Kernels(Protocol):
    """How many kernels serve a session, run a cell, stand ready; and how many cells wait for a turn."""

    @property
    def alive(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def spare(self) -> int: ...
    @property
    def waiting(self) -> int: ...


class Meters:
    """Counts the facts of one server. What is only true now (kernels, disk) is asked for when it is read."""

    def __init__(self, kernels: Callable[[], Kernels], data: Path) -> None:
        self._registry = registry = CollectorRegistry()
        self._models = ModelNames()
        ProcessCollector(registry=registry)
        self._runs = Counter("kernelci_runs", "Runs that have ended.", ["status"], registry=registry)
        self._run = _histogram(registry, "run_seconds", "From a run's start to its end.", _RUN)
        self._run_wait = _histogram(registry, "run_wait_seconds", "From the making of a run to its start.", _RUN)
        self._turns = Counter("kernelci_turns", "Model replies that ended runs had.", registry=registry)
        self._replies = _histogram(registry, "model_seconds", "A model's reply.", _RUN, "model")
        self._failed = Counter(
            "kernelci_model_failures", "Replies that failed.", ["model", "error"], registry=registry
        )
        self._tokens = Counter("kernelci_tokens", "Tokens of replies.", ["model", "direction"], registry=registry)
        self._cells = Counter("kernelci_cells", "Cells that have ended.", ["status"], registry=registry)
        self._cell = _histogram(registry, "cell_seconds", "A cell, without its wait.", _CELL)
        self._cell_wait = _histogram(registry, "cell_wait_seconds", "A cell's wait for kernel and turn.", _CELL)
        self._requests = Counter(
            "kernelci_http_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._request = _histogram(
            registry, "http_request_seconds", "A request, streams to their end.", _REQUEST, "route"
        )
        self._read_when_asked(kernels, data)

    def __call__(self, fact: Fact) -> None:
        """Count it."""
        match fact:
            case RunStarted():
                self._run_wait.observe(fact.waited)
            case RunEnded():
                self._run_ended(fact)
            case Replied():
                self._replied(fact)
            case CellEnded():
                self._cells.labels(fact.status or fact.error).inc()
                self._cell.observe(fact.seconds)
                self._cell_wait.observe(fact.waited)
            case Answered():
                method = fact.method if fact.method in _METHODS else OTHER
                self._requests.labels(method, fact.route, str(fact.status)).inc()
                self._request.labels(fact.route).observe(fact.seconds)
            case _:
                pass

    def text(self, accepted: str) -> tuple[bytes, str]:
        """All metrics in a form that is accepted, and that form's media type."""
        encode, kind = choose_encoder(accepted)
        return encode(self._registry), kind

    def show(self, going_on: Callable[[], Sequence[GoingOn]]) -> None:
        """Tell the states of all runs that have not ended, too: of those that an earlier server left, as well."""
        runs = Gauge("kernelci_runs_going_on", "Runs that have not ended.", ["state"], registry=self._registry)
        for state in get_args(GoingOn):
            runs.labels(state).set_function(lambda state=state: going_on().count(state))

    def _run_ended(self, fact: RunEnded) -> None:
        self._runs.labels(fact.status).inc()
        self._turns.inc(fact.turns)
        if fact.seconds is not None:
            self._run.observe(fact.seconds)

    def _replied(self, fact: Replied) -> None:
        model = self._models.label(fact.model, replied=fact.error is None)
        if fact.error:
            self._failed.labels(model, fact.error).inc()
        else:
            self._replies.labels(model).observe(fact.seconds)
        if fact.usage:
            self._tokens.labels(model, "input").inc(fact.usage.prompt_tokens)
            self._tokens.labels(model, "output").inc(fact.usage.completion_tokens)

    def _read_when_asked(self, kernels: Callable[[], Kernels], data: Path) -> None:
        registry = self._registry
        states = Gauge("kernelci_kernels", "Kernels by what they do.", ["state"], registry=registry)
        states.labels("alive").set_function(lambda: kernels().alive)
        states.labels("busy").set_function(lambda: kernels().busy)
        states.labels("spare").set_function(lambda: kernels().spare)
        waiting = Gauge("kernelci_cells_waiting", "Cells that wait for their turn.", registry=registry)
        waiting.set_function(lambda: kernels().waiting)
        free = Gauge("kernelci_data_free_bytes", "Room on the data folder's disk.", registry=registry)
        free.set_function(lambda: shutil.disk_usage(data).free)


def _histogram(
    registry: CollectorRegistry, name: str, about: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    return Histogram(f"kernelci_{name}", about, labels, buckets=buckets, registry=registry)
