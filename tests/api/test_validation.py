"""What a client is told of a body or query that is wrong: status, parameter and code are the contract."""

from __future__ import annotations

from typing import Any

import pytest

from kernelci.api.validation import check, listed
from kernelci.errors import InvalidRequest
from kernelci.protocol.requests import (
    AssistantCreate,
    AssistantUpdate,
    Body,
    ListQuery,
    MessageCreate,
    RunCreate,
    ThreadAndRunCreate,
    ThreadCreate,
    ToolOutputs,
)

FUNCTION = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("model", "data", "param", "code", "message"),
    [
        (AssistantCreate, {}, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
        (AssistantCreate, {"model": None}, "model", "missing_required_parameter", ""),
        (
            AssistantCreate,
            {"model": "m", "metadata": "x"},
            "metadata",
            "invalid_type",
            "Invalid type for 'metadata': expected an object, but got a string instead.",
        ),
        (
            AssistantCreate,
            [],
            None,
            "invalid_type",
            "Invalid type for 'body': expected an object, but got an array",
        ),
        (AssistantCreate, {"model": 5}, "model", "invalid_type", "expected a string, but got an integer"),
        (
            AssistantCreate,
            {"model": "m", "tools": {}},
            "tools",
            "invalid_type",
            "expected an array, but got an object",
        ),
        (AssistantCreate, {"model": "m", "temperature": "1"}, "temperature", "invalid_type", "expected a number"),
        (AssistantCreate, {"model": "m", "temperature": 2.5}, "temperature", "decimal_above_max_value", "<= 2.0"),
        (AssistantCreate, {"model": "m", "top_p": -1}, "top_p", "decimal_below_min_value", ">= 0.0, but got -1"),
        (AssistantCreate, {"model": "m", "name": "n" * 257}, "name", "string_above_max_length", "length 257"),
        (AssistantCreate, {"model": "m", "tools": [{}]}, "tools[0].type", "missing_required_parameter", ""),
        (
            AssistantCreate,
            {"model": "m", "tools": [{"type": "browser"}]},
            "tools[0].type",
            "invalid_value",
            "Invalid value: 'browser'. Supported values are: 'code_interpreter', 'file_search', and 'function'.",
        ),
        (
            AssistantCreate,
            {"model": "m", "tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
            "missing_required_parameter",
            "",
        ),
        (
            AssistantCreate,
            {"model": "m", "tools": [{"type": "function"}]},
            "tools[0].function",
            "missing_required_parameter",
            "",
        ),
        (
            AssistantCreate,
            {"model": "m", "tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
            "invalid_value",
            "does not match pattern",
        ),
        (
            AssistantCreate,
            {"model": "m", "tools": [{"type": "code_interpreter"}] * 129},
            "tools",
            "array_above_max_length",
            "array too long. Expected an array with maximum length 128, but got an array with length 129 instead.",
        ),
        (
            AssistantCreate,
            {"model": "m", "tools": [FUNCTION, FUNCTION]},
            "tools",
            "invalid_value",
            "more than once",
        ),
        (
            AssistantCreate,
            {"model": "m", "metadata": {str(n): "" for n in range(17)}},
            "metadata",
            "object_above_max_properties",
            "at most 16 properties, but got an object with 17 properties instead",
        ),
        (
            AssistantUpdate,
            {"metadata": {"k" * 65: "v"}},
            "metadata",
            "property_name_above_max_length",
            "Invalid 'metadata'",
        ),
        (
            AssistantUpdate,
            {"metadata": {"k": "v" * 600}},
            "metadata.k",
            "string_above_max_length",
            "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string",
        ),
        (
            AssistantUpdate,
            {"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}},
            "tool_resources.code_interpreter.file_ids",
            "array_above_max_length",
            "",
        ),
        (
            AssistantUpdate,
            {"response_format": {"type": "json_schema"}},
            "response_format",
            "missing_required_parameter",
            "",
        ),
        (AssistantUpdate, {"response_format": "text"}, "response_format", "invalid_value", "values are: 'auto'."),
        (
            ThreadCreate,
            {"messages": [{"role": "system", "content": "x"}]},
            "messages[0].role",
            "invalid_value",
            "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        ),
        (MessageCreate, {"role": "user", "content": ""}, "content", "string_below_min_length", ""),
        (MessageCreate, {"role": "user", "content": []}, "content", "empty_array", ""),
        (MessageCreate, {"role": "user", "content": 5}, "content", "invalid_type", ""),
        (
            MessageCreate,
            {"role": "user", "content": [{"type": "text", "text": ""}]},
            "content[0].text",
            "string_below_min_length",
            "",
        ),
        (
            MessageCreate,
            {"role": "user", "content": [{"type": "refusal", "refusal": "no"}]},
            "content[0].type",
            "invalid_value",
            "'text', 'image_file', and 'image_url'",
        ),
        (
            MessageCreate,
            {"role": "user", "content": [{"type": "image_file", "image_file": {}}]},
            "content[0].image_file.file_id",
            "missing_required_parameter",
            "",
        ),
        (
            MessageCreate,
            {
                "role": "user",
                "content": "x",
                "attachments": [{"file_id": "file-1", "tools": [{"type": "function"}]}],
            },
            "attachments[0].tools[0].type",
            "invalid_value",
            "",
        ),
        (RunCreate, {}, "assistant_id", "missing_required_parameter", ""),
        (
            RunCreate,
            {"assistant_id": "undefined"},
            "assistant_id",
            "invalid_value",
            "Invalid 'assistant_id': 'undefined'. Expected an ID that begins with 'asst'.",
        ),
        (
            RunCreate,
            {"assistant_id": "asst_1", "max_prompt_tokens": 255},
            "max_prompt_tokens",
            "integer_below_min_value",
            "",
        ),
        (RunCreate, {"assistant_id": "asst_1", "stream": "yes"}, "stream", "invalid_type", "expected a boolean"),
        (RunCreate, {"assistant_id": "asst_1", "tool_choice": "all"}, "tool_choice", "invalid_value", "'required'"),
        (
            RunCreate,
            {"assistant_id": "asst_1", "tool_choice": {"type": "function"}},
            "tool_choice",
            "missing_required_parameter",
            "",
        ),
        (
            RunCreate,
            {"assistant_id": "asst_1", "truncation_strategy": {"type": "last_messages"}},
            "truncation_strategy",
            "missing_required_parameter",
            "",
        ),
        (
            RunCreate,
            {"assistant_id": "asst_1", "truncation_strategy": {"type": "last_messages", "last_messages": "5"}},
            "truncation_strategy.last_messages",
            "invalid_type",
            "expected an integer, but got a string",
        ),
        (
            AssistantUpdate,
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": "1"}}},
            "response_format.json_schema.strict",
            "invalid_type",
            "expected a boolean, but got a string",
        ),
        (
            ThreadAndRunCreate,
            {"assistant_id": "asst_1", "thread": {"messages": [{"content": "x"}]}},
            "thread.messages[0].role",
            "missing_required_parameter",
            "",
        ),
        (
            ToolOutputs,
            {"tool_outputs": [{"output": "1"}]},
            "tool_outputs[0].tool_call_id",
            "missing_required_parameter",
            "",
        ),
        (
            ListQuery,
            {"limit": "101"},
            "limit",
            "integer_above_max_value",
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
        ),
        (ListQuery, {"limit": "0"}, "limit", "integer_below_min_value", ">= 1"),
        (ListQuery, {"limit": "ten"}, "limit", "invalid_type", "expected an integer, but got a string"),
        (ListQuery, {"order": "up"}, "order", "invalid_value", "'asc' and 'desc'"),
    ],
)
def test_what_is_wrong_is_named(model: type[Body], data: Any, param: str | None, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(model, data)
    assert refused.value.param == param
    assert refused.value.code == code
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (ThreadCreate, {"messages": None, "metadata": None, "tool_resources": None}),
        (ThreadCreate, {"tool_resources": {"code_interpreter": {"file_ids": None}, "file_search": None}}),
        (ThreadCreate, {"metadata": {"k": None}}),
        (
            AssistantCreate,
            {"model": "m", "name": None, "tools": None, "temperature": None, "response_format": None},
        ),
        (
            AssistantCreate,
            {
                "model": "m",
                "tools": [
                    {"type": "function", "function": {"name": "f", "parameters": None, "strict": None}},
                    {"type": "file_search", "file_search": None},
                ],
            },
        ),
        (RunCreate, {"assistant_id": "asst_1", "instructions": None, "stream": None, "tool_choice": None}),
        (MessageCreate, {"role": "user", "content": "x", "attachments": [{"file_id": "file-1", "tools": None}]}),
    ],
)
def test_null_means_absent_at_every_level(model: type[Body], data: Any) -> None:
    nulls = {name for name, value in data.items() if value is None}
    assert not nulls & check(model, data).given().keys()


def test_nulls_inside_a_schema_are_kept() -> None:
    parameters = {"type": "object", "properties": {"x": {"enum": [None, "a"], "default": None}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    assistant = check(AssistantCreate, {"model": "m", "tools": [tool]})
    assert assistant.model_dump()["tools"][0]["function"]["parameters"] == parameters


@pytest.mark.parametrize(
    ("model", "data", "param"),
    [
        (ThreadCreate, {"colour": "red"}, "colour"),
        (AssistantCreate, {"model": "m", "tools": [{**FUNCTION, "x": 1}]}, "tools[0].x"),
        (
            AssistantCreate,
            {"model": "m", "tools": [{**FUNCTION, "function": {"name": "f", "x": 1}}]},
            "tools[0].function.x",
        ),
        (AssistantCreate, {"model": "m", "tools": [{"type": "code_interpreter", "type_": 1}]}, "tools[0].type_"),
        (MessageCreate, {"role": "user", "content": [{"type": "text", "text": "x", "more": 1}]}, "content[0].more"),
        (
            ThreadAndRunCreate,
            {"assistant_id": "asst_1", "thread": {"messages": [{"role": "user", "content": "x", "file_ids": []}]}},
            "thread.messages[0].file_ids",
        ),
        (
            RunCreate,
            {"assistant_id": "asst_1", "response_format": {"type": "text", "text": 1}},
            "response_format.text",
        ),
        (RunCreate, {"assistant_id": "asst_1", "tool_choice": {**FUNCTION, "more": 1}}, "tool_choice.more"),
    ],
)
def test_unknown_fields_are_named_where_the_server_is_strict(model: type[Body], data: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(model, data, strict=True)
    assert (refused.value.param, refused.value.code) == (param, "unknown_parameter")
    check(model, data)


def test_unknown_fields_are_ignored() -> None:
    assert check(ThreadCreate, {"colour": "red"}) == ThreadCreate()


def test_values_are_listed_as_a_sentence_has_them() -> None:
    assert listed(["a"]) == "'a'"
    assert listed(["a", "b"]) == "'a' and 'b'"
    assert listed(["a", "b", "c"]) == "'a', 'b', and 'c'"
