"""From an OpenAPI description to its facts about the paths served here: a JSON Schema for each named shape.

No prose, examples, defaults or formats are kept. However it says that a value may be null, here it is said one way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

SERVED = re.compile(r"/(assistants|threads|files|uploads|models)(/|$)")
EVENTS = "AssistantStreamEvent"
KEPT = (
    *("type", "enum", "required", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
)
NULL: Schema = {"type": "null"}


def reduced(description: Mapping[str, Any]) -> dict[str, Any]:
    """The facts: `paths` with their requests, answers and queries, `events` by name, and the shapes as `$defs`."""
    shapes: Mapping[str, Schema] = description["components"]["schemas"]
    paths = {
        path: {verb.upper(): _operation(operation, shapes) for verb, operation in operations.items()}
        for path, operations in description["paths"].items()
        if SERVED.match(path)
    }
    events = dict(_events(shapes[EVENTS], shapes))
    return {"paths": paths, "events": events, "$defs": _reachable({"paths": paths, "events": events}, shapes)}


def as_text(facts: Mapping[str, Any]) -> str:
    """The facts as JSON, a path, an event or a shape a line."""
    parts = [
        f'"{part}": {{\n'
        + ",\n".join(f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in named.items())
        + "\n}"
        for part, named in facts.items()
    ]
    return "{" + ",\n".join(parts) + "}\n"


def schema_of(given: Schema, shapes: Mapping[str, Schema]) -> Schema:
    """One schema, reduced."""
    may_be_null = given.get("nullable", False)
    for several in ("allOf", "anyOf", "oneOf"):
        if several in given and "properties" not in given:
            branches = [each for each in given[several] if not _is_null(each)]
            may_be_null = may_be_null or len(branches) < len(given[several])
            schema = _several(several, branches, shapes)
            break
    else:
        schema = _one(given, shapes)
    return _nullable(schema) if may_be_null else schema


def _several(several: str, branches: list[Schema], shapes: Mapping[str, Schema]) -> Schema:
    """One of these; where any text will do, the texts that are known say nothing."""
    if any(branch.get("type") == "string" and "enum" not in branch for branch in branches):
        branches = [branch for branch in branches if _resolved(branch, shapes).get("type") != "string"]
        branches.insert(0, {"type": "string"})
    schemas = [schema_of(branch, shapes) for branch in branches]
    return schemas[0] if len(schemas) == 1 else {several: schemas}


def _one(given: Schema, shapes: Mapping[str, Schema]) -> Schema:
    if "$ref" in given:
        return {"$ref": given["$ref"].replace("#/components/schemas/", "#/$defs/")}
    schema: Schema = {key: given[key] for key in KEPT if key in given}
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = schema_of(schema["additionalProperties"], shapes)
    if "properties" in given:
        schema["properties"] = {name: schema_of(each, shapes) for name, each in given["properties"].items()}
        schema.setdefault("type", "object")
    if "items" in given:
        schema["items"] = schema_of(given["items"], shapes)
    return schema


def _is_null(branch: Schema) -> bool:
    """Whether a branch says no more than that there may be null."""
    return branch.get("type") == "null" or ("nullable" in branch and not {"type", "$ref"} & branch.keys())


def _nullable(schema: Schema) -> Schema:
    if "type" not in schema:
        return {"anyOf": [schema, NULL]}
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **enum}


def _operation(operation: Mapping[str, Any], shapes: Mapping[str, Schema]) -> dict[str, Any]:
    """What a path's method takes and gives."""
    facts: dict[str, Any] = {}
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        facts["takes"], facts["as"] = schema_of(content["schema"], shapes), kind
    queries = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if queries:
        facts["query"] = {each["name"]: schema_of(each["schema"], shapes) for each in queries}
    (given,) = operation["responses"]["200"]["content"].values()
    return {**facts, "gives": schema_of(given["schema"], shapes)}


def _events(event: Schema, shapes: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """Each event's name and the schema of its data."""
    resolved = _resolved(event, shapes)
    if "oneOf" in resolved:
        for branch in resolved["oneOf"]:
            yield from _events(branch, shapes)
    else:
        (name,) = resolved["properties"]["event"]["enum"]
        yield name, schema_of(resolved["properties"]["data"], shapes)


def _resolved(schema: Schema, shapes: Mapping[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = shapes[schema["$ref"].rpartition("/")[2]]
    return schema


def _reachable(facts: object, shapes: Mapping[str, Schema]) -> dict[str, Schema]:
    """The shapes that these facts refer to, and those refer to, by name."""
    found: dict[str, Schema] = {}
    wanted = _named(facts) | {"ErrorResponse", "Error"} & shapes.keys()
    while wanted:
        name = wanted.pop()
        found[name] = schema_of(shapes[name], shapes)
        wanted |= _named(found[name]) - found.keys()
    return dict(sorted(found.items()))


def _named(facts: object) -> set[str]:
    return set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(facts)))
