"""What the tests of contract/ stand on."""

from tests.contract.conftest import open_server, server

__all__ = ["open_server", "server"]
