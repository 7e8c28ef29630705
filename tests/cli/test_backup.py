"""`kernelci backup` beside a running server, and `kernelci restore`, as those who use them see them."""

from __future__ import annotations

from pathlib import Path

import httpx2

from kernelci.models.catalog import Catalog
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command

DRAW = "```python\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n```"


def got(client: httpx2.Client, path: str) -> bytes:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_what_was_there_is_served_from_the_copy(kernelci: Command, settings: Settings, tmp_path: Path) -> None:
    saved, copy = tmp_path / "kernelci.tar", tmp_path / "copy"
    with (
        running(settings, Catalog(None)) as address,
        httpx2.Client(base_url=address, trust_env=False, timeout=100) as client,
    ):
        tools = [{"type": "code_interpreter"}]
        assistant = client.post("/v1/assistants", json={"model": "m", "tools": tools}).json()["id"]
        thread = {"messages": [{"role": "user", "content": DRAW}]}
        run = {"assistant_id": assistant, "thread": thread, "stream": True}
        assert "event: thread.run.completed" in client.post("/v1/threads/runs", json=run).text
        (picture,) = client.get("/v1/files").json()["data"]
        (notebook,) = (settings.data_dir / "notebooks").glob("*.ipynb")
        thread_id = notebook.stem
        paths = [
            f"/v1/assistants/{assistant}",
            f"/v1/threads/{thread_id}/messages",
            f"/v1/threads/{thread_id}/runs",
            f"/v1/files/{picture['id']}/content",
        ]
        before = [got(client, path) for path in paths]
        done = kernelci.run("backup", saved)
        assert (done.returncode, done.stdout.endswith("files in it: 1\n")) == (0, True), done
        assert client.delete(f"/v1/threads/{thread_id}").status_code == 200

    done = kernelci.run("restore", saved)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    done = kernelci.run("restore", saved, "--data-dir", copy)
    assert done.stdout == f"{copy}: threads: 1, files: 1\n", done
    assert (copy / "notebooks" / f"{thread_id}.ipynb").exists()
    with (
        running(settings.model_copy(update={"data_dir": copy}), Catalog(None)) as address,
        httpx2.Client(base_url=address, trust_env=False, timeout=100) as client,
    ):
        assert [got(client, path) for path in paths] == before
