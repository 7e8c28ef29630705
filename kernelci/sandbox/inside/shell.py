"""The IPython shell of a kernel: built and warmed once in the zygote, served in each of its children."""

from __future__ import annotations

import base64
import builtins
import functools
import gc
import getpass
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

sys.modules["debugpy"] = None  # type: ignore[assignment]  # unused, and slow to import
os.environ["MPLCONFIGDIR"] = shutil.copytree(os.environ["MPLCONFIGDIR"], f"{tempfile.gettempdir()}/matplotlib")

import matplotlib as mpl

mpl.use("module://matplotlib_inline.backend_inline")

import cells
import facts
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tracebacks
from interrupts import Interrupts
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib_inline.backend_inline import configure_inline_support
from places import Finding, Places
from printed import Printed
from traitlets import Any as AnyTrait
from traitlets.config import Config
from wire import Wire

_HERE = f"{os.path.dirname(__file__)}/"
_WARM = """
import pandas as pd, matplotlib.pyplot as plt
plt.plot([1, 2, 3]); plt.title("x"); plt.show()
pd.DataFrame({"a": [1.5]}).describe()
1/0
"""
_REHEARSED = """
import pandas as pd, matplotlib.pyplot as plt
print(pd.DataFrame({"a": [1]}).sum())
"""


class CellShell(InteractiveShell):
    """A shell that tells its outputs to whoever `tell` is."""

    tell = AnyTrait(lambda type, content: None)
    system = InteractiveShell.system_raw  # the other way wants a terminal, and there is none

    def _showtraceback(self, kind: type[BaseException], error: BaseException, lines: list[str]) -> None:
        text = tracebacks.told("\n".join(lines).split("\n"))
        self.tell("error", {"ename": kind.__name__, "evalue": str(error), "traceback": text})

    def _get_exc_info(self, exc_tuple: Any = None) -> tuple[Any, Any, Any]:
        """What went wrong."""
        kind, error, trace = super()._get_exc_info(exc_tuple)
        tracebacks.fit(error, trace)
        return kind, error, trace

    def enable_gui(self, gui: str | None = None) -> None:
        """`%matplotlib inline` asks for none, and there is none."""
        if gui is not None:
            raise ValueError("there is no screen here: figures are shown by plt.show(), or saved by plt.savefig()")

    def ask_exit(self) -> None:
        """`exit` and `quit`: a session is not a program that one leaves."""
        print("The session goes on; it ends by itself when it is no longer used.")


class CellDisplay(DisplayPublisher):
    """Sends what is displayed."""

    def publish(self, data, metadata=None, *, transient=None, update=False, **_: Any) -> None:  # noqa: ANN001
        """Send a mime bundle."""
        kind = "update_display_data" if update else "display_data"
        content = {"data": _texts(data), "metadata": metadata or {}, "transient": transient or {}}
        self.shell.tell(kind, content)

    def clear_output(self, wait: bool = False) -> None:
        """Send that the outputs so far shall go."""
        self.shell.tell("clear_output", {"wait": wait})


class CellResult(DisplayHook):
    """Sends the value of a cell's last expression."""

    def write_output_prompt(self) -> None:
        """A result has no prompt here."""

    def write_format_data(self, format_dict, md_dict=None) -> None:  # noqa: ANN001
        """Send a mime bundle."""
        content = {"data": _texts(format_dict), "metadata": md_dict or {}, "execution_count": self.prompt_count}
        self.shell.tell("execute_result", content)

    def finish_displayhook(self) -> None:
        """Nothing is left open."""


class Shell:
    """A shell that has seen pandas and matplotlib at work, before anybody's session."""

    def __init__(self) -> None:
        InteractiveShell.display_pub_class.default_value = CellDisplay
        InteractiveShell.displayhook_class.default_value = CellResult
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self._shell = CellShell.instance(config=config, user_ns={})
        mpl.interactive(True)  # figures that nobody shows come at the cell's end
        configure_inline_support(self._shell, "inline")
        self._shell.run_cell(_WARM, store_history=False)
        self._shell.reset(new_session=True)
        self._interrupts = Interrupts()
        self._printed: Printed | None = None
        self._places = Places()
        plt.close("all")
        _settle()

    def begin(self) -> None:
        """Become a kernel of one's own, in a process that has just been forked."""
        gc.enable()
        random.seed()
        np.random.seed()
        os.register_at_fork(after_in_child=self._forked)
        for name in ("_exit", "abort"):
            setattr(os, name, self._after_last_words(getattr(os, name)))

    def move_in(self, places: Places) -> None:
        """Have the session's folders, wherever they are."""
        if not places.usual:
            self._places = places
            self._shell.ast_transformers.append(Finding(places))
            os.environ.update(HOME=places.temporary, TMPDIR=places.temporary, PWD=places.data)
            os.environ.update(MPLCONFIGDIR=f"{places.temporary}/matplotlib", USER="user")
            tempfile.tempdir = places.temporary
            self._shell.db = {}  # what magics remember has its place in a home folder, which is not ours to write

    def rehearse(self) -> None:
        """Run a cell for nobody: the memory that cells write to is then this process's own already."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(json.dumps({"cell": "", "code": _REHEARSED}).encode() + b"\n")
            ours.shutdown(socket.SHUT_WR)
            self.serve(theirs)
        self._shell.reset(new_session=True)

    def serve(self, connected: socket.socket) -> None:
        """Run the host's cells in their order until it is gone."""
        process = os.getpid()
        wire = Wire(connected, self._interrupts, self._places)
        printed = self._printed = self._printed or Printed(wire)
        printed.wire = wire
        streams = printed.stream("stdout"), printed.stream("stderr")

        def tell(type: str, content: dict[str, Any]) -> None:
            if cells.works_for(wire.cell):
                printed.drain()
                wire.send(type, content)

        self._shell.tell = tell
        for request in wire.requests():
            sys.stdout, sys.stderr = streams
            printed.begin(request["cell"])
            done = self._look() if "look" in request else self._run(request["code"])
            if os.getpid() != process:
                for stream in streams:
                    stream.flush()
                os._exit(done["status"] != "ok")  # a copy of us, made by the cell: what it was made for is done
            tell("done", done)

    def _after_last_words(self, end: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        """A way to end this process, once what was printed is sent."""
        process = os.getpid()

        @functools.wraps(end)
        def ended(*arguments: object, **named: object) -> NoReturn:
            try:
                if self._printed and os.getpid() == process:
                    self._printed.drain()
            finally:
                end(*arguments, **named)

        return ended

    def _forked(self) -> None:
        """In a process that a cell has forked: there is no wire, but what is printed still arrives."""
        self._shell.tell = _print

    def _run(self, code: str) -> dict[str, Any]:
        """Run a cell; gives how it ended."""
        success = False
        try:
            with self._interrupts.allowed():
                success = self._shell.run_cell(code, store_history=True).success
        except KeyboardInterrupt:
            self._shell.showtraceback()
        return {"status": "ok" if success else "error", "execution_count": self._shell.execution_count - 1}

    def _look(self) -> dict[str, Any]:
        """Tell the facts of the last failure. No cell is run: nothing is counted, and nothing shown."""
        try:
            with self._interrupts.allowed():
                names, hidden = self._shell.user_ns, self._shell.user_ns_hidden
                error = getattr(sys, "last_value", None)
                return {"status": "ok", "text": facts.told(names, hidden, error, self._places.data)}
        except BaseException:  # an interrupt, or what the code has made of its session
            return {"status": "error", "text": ""}


def _settle() -> None:
    """Make this process, and all that will be forked from it, a place for sessions."""
    builtins.input = getpass.getpass = _nobody_to_ask
    os.environ.update(HOME="/tmp", MPLCONFIGDIR="/tmp/matplotlib", TMPDIR="/tmp", PWD="/mnt/data")
    pd.options.display.width = 120
    warnings.filterwarnings("ignore", "To exit: use", module="IPython")  # sys.exit() is only an error here
    warnings.formatwarning = tracebacks.warning_told
    cells.keep_threads_in_their_cells()
    sys.path[:] = ["", *(each for each in sys.path if f"{each}/" != _HERE)]
    for path in Path(_HERE).glob("*.py"):
        sys.modules.pop(path.stem, None)  # or a file of the session's by that name could not be imported


def _print(type: str, content: dict[str, Any]) -> None:
    """What a forked process displays, as text."""
    if type == "error":
        print("\n".join(content["traceback"]), file=sys.stderr)
    else:
        print(content.get("data", {}).get("text/plain", ""))


def _nobody_to_ask(prompt: object = "", *_: object, **__: object) -> str:
    raise EOFError(f"nobody is there to answer {str(prompt)!r}: input() cannot be used here")


def _texts(data: dict[str, Any]) -> dict[str, Any]:
    """The bundle with bytes as base64, as a notebook has them."""
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
    }
