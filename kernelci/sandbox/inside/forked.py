"""The life of a kernel from the fork on: it shuts itself in, waits for its session, and serves it.

What can be done for a session that nobody has named yet is done before the wait, so that little is left to do
afterwards. What the zygote does for it is in zygote.py.
"""

from __future__ import annotations

import json
import os
import select
import socket
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from landlock import Landlock
    from limits import Limits
    from namespaces import Namespaces
    from shell import Shell
    from unconfined import Unconfined

    Sandbox = Namespaces | Landlock | Unconfined

ADMITTED = b"."
"""What the zygote says, and then the session's name, when it may be served; anything else is what went wrong."""

_PACKET = 65536


@dataclass(frozen=True, slots=True)
class Birth:
    """What a kernel is born with: its wire to the host, its gate to the zygote, its limits, its sandbox.

    `spare` says whether it has the time to rehearse.
    """

    wire: socket.socket
    gate: socket.socket
    limits: Limits
    sandbox: Sandbox
    spare: bool


def live(birth: Birth, shell: Shell) -> NoReturn:
    """Never returns: the process ends when the host is gone, or when something is wrong, which the host is told."""
    try:
        sandbox = birth.sandbox
        sandbox.apart()
        _close_all_but(birth.wire.fileno(), birth.gate.fileno())
        if not birth.wire.recv(1):  # or the host has put it into its control group
            os._exit(1)
        _show(sandbox.shut_in(birth.limits), birth.gate)
        shell.begin()
        if birth.spare and sandbox.whole:
            shell.rehearse()
        if session := _admitted(birth):
            shell.move_in(sandbox.take(session, birth.limits))
            shell.serve(birth.wire)
    except BaseException:  # told to the host, which knows what to do
        broken = {"type": "broken", "content": {"text": traceback.format_exc()}}
        birth.wire.sendall(json.dumps(broken).encode() + b"\n")
        with suppress(BlockingIOError):  # a cell left unread would reset the connection, and hide what was said
            birth.wire.recv(_PACKET, socket.MSG_DONTWAIT)
    finally:
        os._exit(1)


def _show(mounts: int | None, gate: socket.socket) -> None:
    """Let the zygote in, which alone may still mount something here."""
    socket.send_fds(gate, [ADMITTED], [] if mounts is None else [mounts])
    if mounts is not None:
        os.close(mounts)


def _admitted(birth: Birth) -> str | None:
    """Wait for the session's name; None when the host does not want this kernel any more.

    Raises:
        OSError: its folder could not be put in its place.
    """
    watch = select.poll()  # select() knows no descriptors above 1023
    for each in (birth.gate, birth.wire):
        watch.register(each, select.POLLIN)
    readable = {each for each, _ in watch.poll()}
    if birth.gate.fileno() not in readable and not birth.wire.recv(1, socket.MSG_PEEK):
        return None
    said = birth.gate.recv(_PACKET)
    birth.gate.close()
    if not said.startswith(ADMITTED):
        raise OSError(said.decode() or "the zygote has ended")
    return said.removeprefix(ADMITTED).decode()


def _close_all_but(*kept: int) -> None:
    """Close every descriptor above the standard ones but these."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
