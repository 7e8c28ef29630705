"""The README's pages for those who run a server for long: its proxies with real nginx and Caddy, its unit.

Needs `apt install nginx caddy systemd`.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from anyio import to_thread
from pydantic import SecretStr

from kernelci.engine.events import Emit, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.protocol.usage import Price, Usage
from kernelci.server import running
from kernelci.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
HOST = "ai.example.org"
WORDS = 20


class Waits:
    """A model that says its next word when the client has read the one before."""

    names = ("waits",)

    def __init__(self) -> None:
        self.read = threading.Semaphore(0)

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    def price(self, model: str) -> Price | None:
        return None

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        for number in range(WORDS):
            await emit(TextDelta(f"word{number} "))
            await to_thread.run_sync(
                partial(self.read.acquire, timeout=30)
            )  # for good, behind one that holds it up
        await emit(UsageCounted(Usage()))
        await emit(TextDone())
        return Reply(text="")


def block(language: str) -> str:
    """The README's block in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found


@contextmanager
def started(*argv: str | Path, port: int) -> Generator[None]:
    """A proxy at work."""
    with subprocess.Popen(
        [*map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            while True:
                assert process.poll() is None, process.communicate()[0]
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    pass  # it has not come up yet
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)


def nginx(folder: Path, server: str, port: int) -> list[str | Path]:
    """nginx with the README's server, on loopback and without TLS; all that it writes is in the folder."""
    ours = block("nginx").replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    ours = ours.replace("http://127.0.0.1:8765", server)
    kept = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"user root; daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {kept}\n{ours} }}"
    )
    return ["nginx", "-p", folder, "-c", config]


def caddy(folder: Path, server: str, port: int) -> list[str | Path]:
    """Caddy with the README's site, on loopback and without TLS."""
    ours = block("caddy").replace("127.0.0.1:8765", server.removeprefix("http://"))
    config = folder / "Caddyfile"
    config.write_text(f"{{\n    admin off\n}}\n{ours.replace(HOST, f'http://{HOST}:{port}')}")
    return ["caddy", "run", "--config", config, "--adapter", "caddyfile"]


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_a_proxy_passes_streams_word_by_word_and_files_whole(
    tmp_path: Path, proxy: Callable[[Path, str, int], list[str | Path]]
) -> None:
    model = Waits()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(data_dir=tmp_path / "data", port=0, allowed_hosts=HOST, api_key=SecretStr("k"))
    with (
        running(settings, model) as server,
        started(*proxy(tmp_path, server, port), port=port),
        httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"host": HOST, "api-key": "k"}, trust_env=False, timeout=60
        ) as client,
    ):
        assert client.get("/healthz").json() == {"status": "ok"}
        assistant = client.post("/v1/assistants", json={"model": "m"}).json()["id"]
        run = {
            "assistant_id": assistant,
            "stream": True,
            "thread": {"messages": [{"role": "user", "content": "?"}]},
        }
        seen: list[str] = []
        with client.stream("POST", "/v1/threads/runs", json=run) as stream:
            for line in stream.iter_lines():
                if words := re.findall(r"word\d+(?= )", line) if '"thread.message.delta"' in line else []:
                    seen += words
                    model.read.release()
        assert seen == [f"word{number}" for number in range(WORDS)]
        content = bytes(range(256)) * (250 * 1024)
        made = client.post("/v1/files", files={"file": ("big.bin", content)}, data={"purpose": "assistants"})
        assert made.status_code == 200, made.text
        assert client.get(f"/v1/files/{made.json()['id']}/content").content == content


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "kernelci" / ".venv" / "bin" / "kernelci"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    unit = tmp_path / "kernelci.service"
    unit.write_text(block("ini").replace("%h", str(tmp_path)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
