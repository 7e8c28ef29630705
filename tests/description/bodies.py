"""Bodies that the description allows: of each shape, one after the other, every field with every kind of value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.description.facts import Facts, Schema


def values(schema: Schema, facts: Facts, known: Mapping[str, Any], name: str = "") -> Iterator[Any]:
    """Values that fit a schema: of each branch, each enumerated value, each field, the least and the most.

    `known` are the values of fields that cannot be made up, as ids, by the field's name, which is `name` here.
    """
    if name in known:
        yield known[name]
        return
    schema = facts.resolved(schema)
    for branch in schema.get("anyOf", schema.get("oneOf", ())):
        yield from values(branch, facts, known)
    if "enum" in schema:
        yield from schema["enum"]
        return
    types = schema.get("type", [])
    for kind in types if isinstance(types, list) else [types]:
        match kind:
            case "object":
                yield from _objects(schema, facts, known)
            case "array":
                yield from _arrays(schema, facts, known, name)
            case "integer" | "number":
                yield from {schema.get("minimum", 1), schema.get("maximum", 1000)}
            case "string":
                yield from {"x" * max(schema.get("minLength", 0), 1), "x" * min(schema.get("maxLength", 1), 1000)}
            case "boolean":
                yield from (True, False)
            case _:
                yield None


def _objects(schema: Schema, facts: Facts, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    fields: Mapping[str, Schema] = schema.get("properties", {})
    wanted = {
        name: next(values(fields[name], facts, known, name))
        for name in schema.get("required", ())
        if name in fields
    }
    yield wanted
    for name, field in fields.items():
        for value in values(field, facts, known, name):
            yield {**wanted, name: value}
    if not fields:
        yield {"x": "y"}


def _arrays(schema: Schema, facts: Facts, known: Mapping[str, Any], name: str) -> Iterator[list[Any]]:
    if not schema.get("minItems"):
        yield []
    for item in values(schema["items"], facts, known, f"{name}[]"):
        yield [item]
