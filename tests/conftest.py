"""What every test shares: one seed, no network but loopback, and a loop that nothing may block."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kernelci", derandomize=True, database=None, deadline=None)
settings.load_profile("kernelci")
