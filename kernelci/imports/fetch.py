"""Makes an export from a service with this API: `python fetch.py FOLDER THREAD_ID...`.

Needs nothing but the package `openai`, and this one file. The service and the key are what `OpenAI()` finds in the
environment: OPENAI_BASE_URL and OPENAI_API_KEY. The API lists assistants and files, but no threads: name those.
The bytes of a file that are there already are not asked for again, so a call that broke off is simply repeated.
"""

# pyright: reportDeprecated=false

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from openai import APIStatusError, OpenAI
from openai.types.beta import Thread
from pydantic import BaseModel

PAGE = 100

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Ids name files and folders here: no service may choose where."""


def main(arguments: list[str]) -> int:
    """Fetch all; gives the number of things that could not be had."""
    parser = argparse.ArgumentParser(prog="fetch.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to put the export")
    parser.add_argument("threads", nargs="*", help="ids of threads")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DeprecationWarning)
    with OpenAI() as client:
        return Fetch(client, options.folder).all(options.threads)


class Fetch:
    """One export on its way into a folder."""

    def __init__(self, client: OpenAI, folder: Path) -> None:
        self._client = client
        self._threads = client.beta.threads
        self._folder = folder
        self._missing = 0

    def all(self, threads: Iterable[str]) -> int:
        """Fetch assistants, files and these threads; gives how many things could not be had."""
        self._write("assistants.jsonl", self._client.beta.assistants.list(limit=PAGE, order="asc"))
        files = list(self._client.files.list(order="asc"))
        self._write("files.jsonl", files)
        for id in threads:
            try:
                self._thread(self._threads.retrieve(id))
            except APIStatusError as error:
                self._miss(id, error.message)
        for file in files:
            self._content(file.id)
        return self._missing

    def _thread(self, thread: Thread) -> None:
        if not self._is_plain(thread.id):
            return
        self._write(f"threads/{thread.id}/thread.json", [thread])
        self._write(
            f"threads/{thread.id}/messages.jsonl", self._threads.messages.list(thread.id, limit=PAGE, order="asc")
        )
        runs = list(self._threads.runs.list(thread.id, limit=PAGE, order="asc"))
        self._write(f"threads/{thread.id}/runs.jsonl", runs)
        for run in runs:
            if not self._is_plain(run.id):
                continue
            steps = self._threads.runs.steps.list(run.id, thread_id=thread.id, limit=PAGE, order="asc")
            self._write(f"threads/{thread.id}/steps/{run.id}.jsonl", steps)

    def _content(self, id: str) -> None:
        if not self._is_plain(id):
            return
        path = self._folder / "contents" / id
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{id}")
        try:
            with self._client.files.with_streaming_response.content(id) as response:
                response.stream_to_file(half)
        except APIStatusError as error:
            self._miss(id, error.message)
        else:
            half.rename(path)

    def _write(self, name: str, objects: Iterable[BaseModel]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [object.model_dump_json(warnings=False) for object in objects]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _is_plain(self, id: str) -> bool:
        plain = _PLAIN.fullmatch(id) is not None
        if not plain:
            self._miss(id, "a file cannot have that name")
        return plain

    def _miss(self, id: str, why: str) -> None:
        self._missing += 1
        told = f"{id}: {why}"
        print("".join(each if each.isprintable() else "?" for each in told), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(min(main(sys.argv[1:]), 1))
