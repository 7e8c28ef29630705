"""How a kernel is started and ended: the seam through which any Jupyter client gets one of ours.

`jupyter_client` finds this by the kernelspec's metadata. The kernel gets the environment of the model's code, a
session's folder as /mnt/data, sockets in a private folder, and nothing else: it is confined as the server's own
kernels are, or it does not start.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

import anyio
import anyio.to_thread
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from kernelci.errors import KernelUnavailable
from kernelci.sandbox import beneath, runtime
from kernelci.sandbox.environment import Environment, of_kernelspec
from kernelci.sandbox.owner import owner
from kernelci.sandbox.watch import DiskLimits, watch_disk
from kernelci.sandbox.zygote import Limits
from kernelci.settings import Settings

logger = logging.getLogger(__name__)

LAUNCH = Path(__file__).parent / "inside" / "launch.py"
START_TIMEOUT = 60.0
"""Seconds for a kernel to report that it listens."""

_PATH = "/usr/local/bin:/usr/bin:/bin"


class KernelciProvisioner(KernelProvisionerBase):
    """Starts a kernel in a process of its own, on the session's folder.

    `start_kernel` takes two keywords of ours: `folder`, the session's (a temporary one if there is none), and
    `environment` (that of the kernelspec if there is none, built if need be). Limits are those of the settings.
    """

    environment: Environment
    folder: Path
    limits: Limits
    disk: DiskLimits
    runtime: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    _lifeline: int | None = None
    _held: IO[str] | None = None

    @property
    def has_process(self) -> bool:
        return self.process is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        """Choose the sockets' place and the kernel's command, folder and environment variables.

        Raises:
            EnvironmentUnavailable: there is no environment and none can be built.
        """
        command = await anyio.to_thread.run_sync(
            self._prepare,
            kwargs.pop("environment", None),
            kwargs.pop("folder", None),
            kwargs.pop("extra_arguments", []),
        )
        kwargs["cmd"] = command
        kwargs["env"] = {
            "HOME": "/tmp",  # noqa: S108 - the sandbox's own
            "MPLCONFIGDIR": str(self.environment.matplotlib),
            "PATH": f"{self.environment.python.parent}:{_PATH}",
        }
        return await super().pre_launch(**kwargs)

    def _prepare(self, wanted: Environment | None, folder: Path | None, extra_arguments: list[str]) -> list[str]:
        """Have all that the kernel needs in its place; gives its command."""
        settings = Settings.model_validate({})
        self.limits = Limits.of(settings)
        self.disk = DiskLimits(settings.disk, self.limits.file)
        self.environment = wanted or of_kernelspec(Path(self.kernel_spec.resource_dir), settings.cache_dir)
        self._let_go()
        self._held = self.environment.hold()
        self.runtime = self.runtime or runtime.make()
        self.folder = folder or self.runtime / "data"
        self.folder.mkdir(exist_ok=True)
        if user := owner():
            _give(self.folder, user)
        manager = cast(KernelManager, self.parent)
        manager.transport = "ipc"
        manager.ip = str(self.runtime / "k")
        manager.cache_ports = False
        manager.connection_file = manager.connection_file or str(self.runtime / "kernel.json")
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        ours = {"{python}": str(self.environment.python), "{launch}": str(LAUNCH)}
        return [ours.get(word, word) for word in manager.format_kernel_cmd(extra_arguments)]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401
        """Start the process and wait for its report.

        Raises:
            KernelUnavailable: it ended, or said nothing in time.
        """
        control, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe2(os.O_CLOEXEC)
        try:
            self.exit_code = None
            command = [*cmd, str(theirs.fileno()), str(lifeline)]
            descriptors = (theirs.fileno(), lifeline)
            self.process = await anyio.to_thread.run_sync(_spawn, command, kwargs["env"], descriptors)
            theirs.close()
            with suppress(BrokenPipeError):  # it has ended already, which its report will tell
                control.sendall(json.dumps(self._told()).encode() + b"\n")
            control.setblocking(False)
            await self._take_report(control)
            watch_disk(self.process.pid, self.folder, self.disk)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.kill()
            raise
        finally:
            os.close(lifeline)
            for end in (control, theirs):
                end.close()
        return self.connection_info

    def _told(self) -> dict[str, object]:
        """What the kernel has to know of its surroundings, in the words of inside/launch.py."""
        return {
            "shown": self.environment.shown,
            "folder": str(self.folder.absolute()),
            "uid": owner(),
            "limits": asdict(self.limits),
        }

    async def _take_report(self, control: socket.socket) -> None:
        said = b""
        with anyio.move_on_after(START_TIMEOUT) as clock, suppress(ConnectionResetError):
            while True:
                await anyio.wait_readable(control)
                if not (more := control.recv(65536)):
                    break
                said += more
        if clock.cancelled_caught:
            raise KernelUnavailable(f"The kernel did not start within {START_TIMEOUT:.0f} seconds.")
        if not said:
            code = await self.wait()
            raise KernelUnavailable(f"The kernel ended before it was ready (exit code {code}).")
        result: dict[str, str] = json.loads(said)
        if "refused" in result:
            raise KernelUnavailable(
                f"Kernels cannot be confined on this machine: {result['refused']}. "
                "What helps is told by `kernelci doctor`."
            )
        if "error" in result:
            raise KernelUnavailable("The kernel could not start:\n" + result["error"])

    async def poll(self) -> int | None:
        """The exit code, or None while the kernel lives."""
        if self.process is None:
            return self.exit_code
        # Its pid, and so its group's, is its own until it is reaped: first end what it has left behind.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:  # noqa: ASYNC222
            return None
        self._signal_group(signal.SIGKILL)
        self.exit_code = self.process.wait()
        self.process = None
        return self.exit_code

    async def wait(self) -> int | None:
        """Return when the kernel's process has ended; gives its exit code."""
        while (code := await self.poll()) is None and self.process:
            ended = os.pidfd_open(self.process.pid)
            try:
                await anyio.wait_readable(ended)
            finally:
                os.close(ended)
        return code

    async def send_signal(self, signum: int) -> None:
        self._signal_group(signum)

    async def terminate(self, restart: bool = False) -> None:
        self._signal_group(signal.SIGTERM)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and the processes of its group, and return when it is gone."""
        self._signal_group(signal.SIGKILL)
        await self.wait()

    async def cleanup(self, restart: bool = False) -> None:
        """Give back what the start took."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if restart:
            return
        self._let_go()
        if self.runtime:
            folder, self.runtime = self.runtime, None
            try:
                await anyio.to_thread.run_sync(beneath.remove, folder)
            except OSError:
                logger.warning("could not remove %s", folder, extra={"action": "runtime_left"}, exc_info=True)

    def _let_go(self) -> None:
        """The environment may be pruned again."""
        if self._held:
            self._held.close()
            self._held = None

    def _signal_group(self, signum: int) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)


def _spawn(command: list[str], env: dict[str, str], descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
    )


def _give(folder: Path, user: int) -> None:
    """Let a folder and what is in it belong to a user, so that a kernel which is not root can change it."""
    for _, folders, files, within in os.fwalk(folder):
        os.fchown(within, user, user)
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=within, follow_symlinks=False)
