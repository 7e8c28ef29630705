"""No key is in what a server writes, answers or shows to a kernel, however much it is made to tell."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2

from kernelci.settings import Settings
from tests.cli.conftest import LISTENING, Command
from tests.upstream import Body, Fails, Reply, Runs, Says, Upstream

OWN, OF_THE_MODEL, OF_THE_CLOUD = "own-Vq7LmZt2RbXc", "model-Hj4KdWs9PnYe", "sk-cloud-Fg6TuBv3QaMz"
WRONG = "wrong-Xk8CrNf5SdLo"

LOOK = r"""
import glob, os
for path in ["/proc/self/mountinfo", *glob.glob("/proc/*/environ"), *glob.glob("/proc/*/cmdline")]:
    try:
        print(path, open(path, "rb").read())
    except OSError as error:
        print(path, error)
print(dict(os.environ))
for folder, _, names in os.walk("/mnt"):
    print(folder, names)
"""


@contextmanager
def serving(kernelci: Command, level: str, **variables: str) -> Generator[tuple[str, list[str]]]:
    """A server's address, and, when it has ended, all that it wrote."""
    wrote: list[str] = []
    with kernelci.started("serve", "--port", "0", "--log-level", level, **variables) as process:
        line = process.stdout.readline()
        yield line.removeprefix(LISTENING).strip(), wrote
        process.send_signal(signal.SIGINT)
        wrote += [line, *process.communicate(timeout=60)]


def model(body: Body) -> Reply | Fails:
    """Looks around, then fails with the key that it was sent, as some do."""
    asked = str(body["messages"][-1]["content"])
    if "fail" in asked:
        return Fails(401, {"error": {"message": f"Incorrect API key provided: {OF_THE_MODEL}"}})
    return Runs(LOOK) if body["messages"][-1]["role"] == "user" else Says("Nothing there.")


def said_raw(address: str, *lines: str) -> str:
    """The answer to a request as it is, however wrong."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall("\r\n".join((*lines, "Connection: close", "", "")).encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer.decode("utf-8", errors="replace")


def test_no_key_is_told(kernelci: Command, settings: Settings) -> None:
    named = kernelci.run("keys", "add", "alice").stdout.strip()
    keys = {"KERNELCI_API_KEY": OWN, "KERNELCI_MODEL_KEY": OF_THE_MODEL, "OPENAI_API_KEY": OF_THE_CLOUD}
    told: list[str] = []
    with (
        Upstream(model) as upstream,
        serving(kernelci, "debug", KERNELCI_MODEL_URL=upstream.url, **keys) as (address, wrote),
        httpx2.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):

        def ask(method: str, path: str, key: str, **more: object) -> httpx2.Response:
            headers = {"authorization": f"Bearer {key}"}
            response = client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
            told.append(f"{response.headers} {response.text}")
            return response

        for key in (OWN, named):
            assistant = {"model": "m", "tools": [{"type": "code_interpreter"}]}
            made = ask("POST", "/v1/assistants", key, json=assistant).json()
            for words in ("look", "fail"):
                thread = {"messages": [{"role": "user", "content": words}]}
                run = {"assistant_id": made["id"], "thread": thread, "stream": True}
                ended = ask("POST", "/v1/threads/runs", key, json=run).text
                assert f"event: thread.run.{'completed' if words == 'look' else 'failed'}" in ended
                assert words == "fail" or "/proc/1/cmdline" in ended
            # In a URL it does not belong, and who sent it there may read it there; but it is not logged.
            for path in (f"/v1/files/{key}", f"/v1/nothing?api-key={key}", f"/v1/{key}"):
                assert client.get(path, headers={"api-key": key}).status_code == 404
                assert client.get(path).status_code == 401
            ask("POST", "/v1/threads", key, content=b'{"metadata": ')
        for path in ("/v1/assistants", "/openai/assistants?api-version=2024-05-01-preview"):
            assert ask("GET", path, WRONG).status_code == 401
        for header in (
            f"Authorization: {OWN}",
            f"Authorization: Basic {OWN}",
            f"Authorization: Bearer\t{OWN}",
            f"Authorization: Bearer {OWN}\x01",
            f"api-key: {OWN} {named}",
            f"x-{OWN} : y",
            f"no colon {OWN}",
            f"api-key: {OWN}\xff",
        ):
            answer = said_raw(address, "GET /v1/assistants HTTP/1.1", f"Host: {urlsplit(address).netloc}", header)
            assert re.match(r"HTTP/1\.1 40[01] ", answer), (header, answer)
            told.append(answer)
        told.append(said_raw(address, f"{OWN} {named} /v1"))
        assert not any(key in str(sent.headers) for sent in upstream.requests for key in (OWN, named, OF_THE_CLOUD))

    log = "".join(wrote)
    assert "level=debug logger=openai" in log, "it says all it knows"
    kept = [(path, path.read_bytes()) for path in settings.data_dir.rglob("*") if path.is_file()]
    assert any(b"/proc/1/cmdline" in data for _, data in kept), "what the kernel saw is among it"
    for key in (OWN, named, OF_THE_MODEL, OF_THE_CLOUD, WRONG):
        assert key not in log
        assert not [text for text in told if key in text]
        for path, data in kept:
            assert key.encode() not in data, path


SAID, INSTRUCTED, CODED, PRINTED, SENT = "said-Yw3", "instructed-Pz8", "coded_Lk5", "printed_Gd2", "sent-Mb7"


def indiscreet(body: Body) -> Reply | Fails:
    """Writes code that fails again and again; fails itself with what it was sent, as some do."""
    asked = [str(message["content"]) for message in body["messages"]]
    if "REFUSE" in asked[-1] or "tools" not in body:
        return Fails(400, {"error": {"message": f"I cannot make sense of {asked}"}})
    return Says(SAID) + Runs(f"{CODED} = print('{PRINTED}')\nraise ValueError('{PRINTED}')")


def test_no_text_and_no_code_is_logged(kernelci: Command) -> None:
    with (
        Upstream(indiscreet) as upstream,
        serving(kernelci, "info", KERNELCI_MODEL_URL=upstream.url) as (address, wrote),
        httpx2.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):
        assistant = {
            "model": "m",
            "tools": [{"type": "code_interpreter"}],
            "instructions": INSTRUCTED,
            "name": SENT,
        }
        made = client.post("/v1/assistants", json=assistant).json()
        for words in (SENT, f"REFUSE {SENT}"):
            thread = {"messages": [{"role": "user", "content": words}], "metadata": {"x": SENT}}
            run = {"assistant_id": made["id"], "thread": thread, "stream": True}
            told = client.post("/v1/threads/runs", json=run).text
            assert f"event: thread.run.{'completed' if words == SENT else 'failed'}" in told
        sent = {"file": (f"{SENT}.csv", SENT.encode())}
        assert client.post("/v1/files", files=sent, data={"purpose": "assistants"}).status_code == 200
        for path in (f"/v1/files/{SENT}", f"/v1/threads?order={SENT}", f"/v1/{SENT}"):
            assert client.get(path).is_error
        assert client.post("/v1/threads", content=f'{{"metadata": "{SENT}"'.encode()).status_code == 400

    log = "".join(wrote)
    assert {"run_started", "cell_ended", "run_given_up", "no_closing_word", "model_failed", "run_ended"} <= set(
        re.findall(r"action=(\w+)", log)
    )
    for text in (SAID, INSTRUCTED, CODED, PRINTED, SENT):
        assert text not in log
