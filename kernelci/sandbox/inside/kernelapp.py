"""The kernel that plain Jupyter talks to: ipykernel's application, set up for code that a model writes.

Imported by its neighbours in this folder, in the environment of the model's code; nothing of kernelci.
"""

from __future__ import annotations

import os
from typing import Any

import zmq
from bounds import BoundedSession, CellStream
from cells import keep_threads_in_their_cells
from ipykernel.heartbeat import Heartbeat
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config


class KernelApp(IPKernelApp):
    """The application on sockets that listen already: `listening` has the descriptor of each port."""

    listening: dict[int, int]

    def _session_default(self) -> BoundedSession:
        return BoundedSession(parent=self)

    def _try_bind_socket(self, s: zmq.Socket[bytes], port: int) -> int:
        s.setsockopt(zmq.USE_FD, self.listening[port])
        return super()._try_bind_socket(s, port)

    def init_connection_file(self) -> None:
        """The connection is known: there is no file of it in here."""

    def write_connection_file(self, **_: Any) -> None:
        """The host has written it."""

    def init_control(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Leave out the debugger's way to the shell, for whose socket there is no path in here."""
        super().init_control(context)
        self.debug_shell_socket.disconnect(self.shell_socket.getsockopt(zmq.LAST_ENDPOINT))

    def init_heartbeat(self) -> None:
        """Start the heart, on its own socket."""
        self.heartbeat = Heart(zmq.Context(), (self.transport, self.ip, self.hb_port))
        self.heartbeat.listening = self.listening[self.hb_port]
        self.heartbeat.start()


class Heart(Heartbeat):
    """Answers the host's pings on a socket that listens already."""

    listening: int

    def _try_bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self.listening)
        super()._try_bind_socket()


def kernel_app(connection: dict[str, Any], listening: dict[int, int]) -> IPKernelApp:
    """A kernel that only waits to be started."""
    config = Config()
    config.IPKernelApp.outstream_class = f"{CellStream.__module__}.{CellStream.__name__}"
    config.InteractiveShellApp.exec_PYTHONSTARTUP = False
    config.InteractiveShell.colors = "nocolor"
    config.HistoryManager.enabled = False
    app = KernelApp.instance(config=config)
    app.listening = listening
    app.load_connection_info(connection)
    app.initialize([])
    os.environ["TERM"] = "dumb"
    for name in ("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):  # ipykernel's, for a reader who sees colours
        os.environ.pop(name, None)
    keep_threads_in_their_cells()
    return app
