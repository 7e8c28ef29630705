"""The environment of the model's code, as the sessions' tests have it, and a machine that forbids namespaces."""

from tests.sessions.conftest import built, place

FORBIDDEN = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
)
"""What to run a command with, so that it may not make user namespaces."""

__all__ = ["FORBIDDEN", "built", "place"]
