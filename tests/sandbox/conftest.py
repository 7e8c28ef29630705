"""The environment of the model's code, as the sessions' tests have it, and a machine that forbids namespaces."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.sessions.conftest import built, place

FORBIDDEN = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
)
"""What to run a command with, so that it may not make user namespaces."""

_REFUSING = (sys.executable, str(Path(__file__).parent / "refusing.py"))
WITHOUT_NAMESPACES = (*_REFUSING, "namespaces")
WITHOUT_ANY = (*_REFUSING, "all")
"""The same where a filter of system calls forbids namespaces; and Landlock, too."""

__all__ = ["FORBIDDEN", "WITHOUT_ANY", "WITHOUT_NAMESPACES", "built", "place"]
