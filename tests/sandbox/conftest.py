"""The environment of the model's code, as the sessions' tests have it."""

from tests.sessions.conftest import built

__all__ = ["built"]
