"""The description's facts as they are looked up: by method and path, and by the name of an event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kernelci.api.dialects.choice import Version

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the description says about the paths, the events and the shapes of one version."""

    paths: Mapping[str, Mapping[str, Any]]
    events: Mapping[str, Schema]
    shapes: Mapping[str, Schema]

    def operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        """What is said about a method of a path below the base; None if there is no such."""
        if found := self.paths.get(path, {}).get(method):
            return found
        fitting = [verbs for template, verbs in self.paths.items() if _pattern(template).fullmatch(path)]
        return next((verbs[method] for verbs in fitting if method in verbs), None)

    def resolved(self, schema: Schema) -> Schema:
        """The shape that a reference means, or the schema itself."""
        return self.shapes[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


@cache
def facts(version: Version) -> Facts:
    """The facts of a version, as they were published."""
    published = json.loads((Path(__file__).parent / f"{version}.json").read_text(encoding="utf-8"))
    return Facts(published["paths"], published["events"], published["$defs"])


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{model}", ".+", re.sub(r"{(?!model)\w+}", "[^/]+", template)))
