"""The description's facts: how they are made, and that what is served is what is described, path by path."""

from __future__ import annotations

import json

import pytest

from kernelci.api.dialects.choice import Version
from kernelci.api.routes import PATHS
from tests.description.differences import DIFFERENCES, OUR_PATHS, served
from tests.description.facts import facts
from tests.description.reduce import as_text, reduced

PUBLISHED = {
    "paths": {
        "/threads/{thread_id}": {
            "post": {
                "summary": "Prose.",
                "parameters": [
                    {"in": "path", "name": "thread_id", "schema": {"type": "string"}},
                    {
                        "in": "query",
                        "name": "order",
                        "schema": {"type": "string", "enum": ["asc"], "default": "asc"},
                    },
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thread"}}}}
                },
            }
        },
        "/images": {"post": {}},
    },
    "components": {
        "schemas": {
            "AssistantStreamEvent": {"oneOf": [{"$ref": "#/components/schemas/ThreadEvent"}]},
            "ThreadEvent": {
                "oneOf": [
                    {
                        "properties": {
                            "event": {"type": "string", "enum": ["thread.created"]},
                            "data": {"$ref": "#/components/schemas/Thread"},
                        }
                    }
                ]
            },
            "Body": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "old": {"type": "string", "nullable": True, "description": "Prose."},
                    "new": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "null"}]},
                    "odd": {"allOf": [{"$ref": "#/components/schemas/Size"}, {"nullable": True, "example": 1}]},
                    "referred": {"$ref": "#/components/schemas/Size", "nullable": True},
                    "model": {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/Size"}]},
                    "few": {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}], "x-more": 1},
                },
                "required": ["old"],
            },
            "Thread": {"properties": {"description": {"type": "array", "items": {"type": "boolean"}}}},
            "Size": {"type": "string", "enum": ["small"], "title": "Prose."},
            "Unused": {"type": "string"},
        }
    },
}


def test_facts_are_all_that_is_kept_of_a_description() -> None:
    size = {"$ref": "#/$defs/Size"}
    made = reduced(PUBLISHED)
    assert made == {
        "paths": {
            "/threads/{thread_id}": {
                "POST": {
                    "takes": {"$ref": "#/$defs/Body"},
                    "as": "application/json",
                    "query": {"order": {"type": "string", "enum": ["asc"]}},
                    "gives": {"$ref": "#/$defs/Thread"},
                }
            }
        },
        "events": {"thread.created": {"$ref": "#/$defs/Thread"}},
        "$defs": {
            "Body": {
                "type": "object",
                "additionalProperties": False,
                "required": ["old"],
                "properties": {
                    "old": {"type": ["string", "null"]},
                    "new": {"type": ["integer", "null"]},
                    "odd": {"anyOf": [size, {"type": "null"}]},
                    "referred": {"anyOf": [size, {"type": "null"}]},
                    "model": {"type": "string"},
                    "few": {"type": ["string", "null"], "enum": ["a", None]},
                },
            },
            "Size": {"type": "string", "enum": ["small"]},
            "Thread": {
                "type": "object",
                "properties": {"description": {"type": "array", "items": {"type": "boolean"}}},
            },
        },
    }
    assert json.loads(as_text(made)) == made


def test_each_difference_is_one() -> None:
    for difference in DIFFERENCES:
        for version in difference.versions:
            for name in difference.shapes:
                said = facts(version).shapes[name]["properties"].get(difference.field, {})
                assert {**said, **difference.schema} != said, (version, name, difference.field)


def named(paths: object) -> set[str]:
    """Each method of each path, as `GET /files`."""
    assert isinstance(paths, dict)
    return {f"{verb} {path.replace(':path', '')}" for path, verbs in paths.items() for verb in verbs}


OURS_ALONE = {"GET /threads/{thread_id}/events"} | named(OUR_PATHS)
NOT_SERVED = {"DELETE /models/{model}"}  # of fine-tuned models, which there are none of here


def test_every_path_that_is_described_is_served_and_no_other() -> None:
    described = named(facts("v1").paths) | named(facts("v2").paths)
    assert described - named(PATHS) == NOT_SERVED
    assert named(PATHS) - described == OURS_ALONE


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_is_served_refers_to_nothing_that_is_not_there(version: Version) -> None:
    shapes = served(version).shapes
    wanted = {name.partition('"')[0] for name in json.dumps(shapes).split('"#/$defs/')[1:]}
    assert wanted <= shapes.keys()
