"""A pool of kernels with the limits that sessions have."""

from __future__ import annotations

from tests.sessions.conftest import built, pool, started

__all__ = ["built", "pool", "started"]
