"""Runs a command where system calls are refused, as a container's filter does: `python refusing.py WHAT COMMAND`.

WHAT is `namespaces`, which leaves Landlock, or `all`, which leaves nothing that kernels could be confined by.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "kernelci" / "sandbox" / "inside"))

import linux
import seccomp

LANDLOCK = (444, 445, 446)  # the same on every architecture


def landlock_refused() -> bytes:
    """A filter for Landlock's calls alone."""
    load = seccomp._load(seccomp._NUMBER)
    refused = (
        each
        for call in LANDLOCK
        for each in (seccomp._jump(seccomp._JEQ, call, 0, 1), seccomp._refuse(errno.ENOSYS))
    )
    return b"".join([load, *refused, seccomp._return(seccomp._ALLOW)])


if __name__ == "__main__":
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if sys.argv[1] == "all":
        linux.filter_calls(landlock_refused())
    linux.filter_calls(seccomp.program())
    os.execvp(sys.argv[2], sys.argv[2:])
