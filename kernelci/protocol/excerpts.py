"""What is kept at hand of a text that is too long to be read each time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Excerpt(BaseModel):
    """A text's beginning, which ends anywhere, and its end, which begins with a row; how many rows and characters
    the whole has.
    """

    model_config = ConfigDict(frozen=True)

    head: str
    tail: str
    rows: int
    characters: int
