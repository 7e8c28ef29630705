"""What has been found out about a model: for the life of the server, since asking again costs a reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from kernelci.models.context import Context
from kernelci.models.thoughts import thinks_from_the_start


@dataclass(slots=True)
class Habits:
    """How one model answers. `calls_tools` is None until it is known, as is the number of `pictures` that it takes
    in one question; `takes_figures` is whether a user's message may follow a tool's result. More than `most_tokens`
    are refused where a reply is asked for with them; parameters that are `refused` are not sent. `forces` is how
    it can be made to call a tool, `context` how much it reads at once. JSON mode may have to be asked for by a
    schema.
    """

    calls_tools: bool | None = None
    pictures: int | None = None
    takes_figures: bool = True
    most_tokens: int | None = None
    thinks_from_the_start: bool = False
    context: Context = field(default_factory=Context)
    refused: set[str] = field(default_factory=set[str])
    forces: Literal["by name", "any", "nothing"] = "by name"
    json_by_schema: bool = False

    @classmethod
    def of(cls, model: str) -> Habits:
        """What a model's name tells."""
        return cls(thinks_from_the_start=thinks_from_the_start(model))
