"""Collecting times and printing them side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figure:
    """The times of one thing, in seconds."""

    name: str
    times: list[float] = field(default_factory=list[float])

    @contextmanager
    def timed(self) -> Generator[None]:
        """Add the time that the block takes."""
        began = time.perf_counter()
        yield
        self.times.append(time.perf_counter() - began)

    @property
    def median(self) -> float:
        """The middle time, in seconds."""
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        """The 99th percentile, in seconds; of fewer than 100 times, the longest."""
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * 0.99))]


def print_pair(title: str, ours: Figure, theirs: Figure) -> None:
    """Print two figures and how many times quicker the first is, by their medians."""
    print(f"\n{title}")
    for figure in (ours, theirs):
        print(
            f"  {figure.name:<44} median {figure.median * 1000:9.1f} ms   "
            f"p99 {figure.p99 * 1000:9.1f} ms   n={len(figure.times)}"
        )
    print(f"  {'':<44} {theirs.median / ours.median:.2f} times as quick")


def interleaved(count: int, *labels: str) -> Sequence[tuple[int, str]]:
    """Rounds in which each label comes once, so that a slow spell of the machine strikes all alike."""
    return [(at, label) for at in range(count) for label in labels]
