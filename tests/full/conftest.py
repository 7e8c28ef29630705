"""What the tests of contract/ stand on."""

from tests.contract.conftest import server

__all__ = ["server"]
