"""Files that a run has made, saved for the person. Their bytes and names come from the model's code: a name is one
that is free in the folder, and nothing is ever replaced, opened or run.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from openai import OpenAI

from kernelci.cli.files import visible, written

_PICTURES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}


class Results:
    """Saves each file once into a folder; `saved` are the paths by file id, in that order."""

    def __init__(self, client: OpenAI, folder: Path, *, figure: str = "figure") -> None:
        """`figure` is what pictures are called, which have no names of their own."""
        self._client = client
        self._folder = folder
        self._figure = figure
        self.saved: dict[str, Path] = {}

    def figure(self, file_id: str) -> Path | None:
        """Save a picture; None if it was saved before."""
        if file_id in self.saved:
            return None
        data = self._client.files.content(file_id).read()
        kind = next((kind for start, kind in _PICTURES.items() if data.startswith(start)), "")
        return self._save(file_id, self._figure + kind, data)

    def file(self, file_id: str, link: str) -> Path | None:
        """Save a file under the name that its link has; None if it was saved before."""
        if file_id in self.saved:
            return None
        return self._save(file_id, unquote(link), self._client.files.content(file_id).read())

    def _save(self, file_id: str, name: str, data: bytes) -> Path:
        self.saved[file_id] = path = written(self._folder / visible(name), data)
        return path
