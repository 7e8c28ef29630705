"""What a run is made with, over a real server: what the model's endpoint is sent, and what the run becomes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from openai import OpenAI

from tests.contract.conftest import serving
from tests.upstream import (
    Calls,
    Chunks,
    Fails,
    Reply,
    Runs,
    Says,
    Upstream,
    call_chunk,
    finish_chunk,
    text_chunk,
    usage_chunk,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

CODE: Any = {"type": "code_interpreter"}
FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def sdk(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenAI]:
    with serving(tmp_path_factory.mktemp("parameters"), upstream) as client:
        yield client


class Case:
    """An assistant with both kinds of tools, a thread, and an endpoint with a script."""

    def __init__(self, sdk: OpenAI, upstream: Upstream) -> None:
        self.sdk, self.upstream = sdk, upstream
        self.assistant = sdk.beta.assistants.create(model="m-1", instructions="A.", tools=[CODE, FUNCTION]).id
        self.thread = sdk.beta.threads.create(messages=[{"role": "user", "content": "Q."}]).id

    def run(self, *answers: Any, **parameters: Any) -> Any:
        """A run with these answers and parameters, as it ended or waits."""
        self.upstream.will(answers)
        return self.sdk.beta.threads.runs.create_and_poll(
            thread_id=self.thread, assistant_id=self.assistant, **parameters
        )

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies that the endpoint was sent."""
        return [request.body for request in self.upstream.requests]

    def said(self, run: Any) -> list[str]:
        """The texts of the run's messages, in order."""
        listed = self.sdk.beta.threads.messages.list(self.thread, run_id=run.id, order="asc")
        return [part.text.value for message in listed for part in message.content if part.type == "text"]

    def steps(self, run: Any) -> list[str]:
        return [
            step.type for step in self.sdk.beta.threads.runs.steps.list(run.id, thread_id=self.thread, order="asc")
        ]


@pytest.fixture
def case(sdk: OpenAI, upstream: Upstream) -> Case:
    return Case(sdk, upstream)


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ("auto", None),
        ("required", "required"),
        (CODE, {"type": "function", "function": {"name": "code_interpreter"}}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
    ids=["auto", "required", "code", "function"],
)
def test_a_tool_is_forced_on_the_first_turn_only(case: Case, choice: Any, first: Any) -> None:
    run = case.run(Runs("1"), Says("Done."), tool_choice=choice)
    assert run.status == "completed"
    assert [body.get("tool_choice") for body in case.asked] == [first, None]
    assert run.to_dict()["tool_choice"] == choice


def test_a_forced_function_is_not_forced_again_after_its_output(case: Case) -> None:
    forced: Any = {"type": "function", "function": {"name": "weather"}}
    run = case.run(Calls("weather", {}), Says("Sunny."), tool_choice=forced)
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    run = case.sdk.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=case.thread, tool_outputs=[{"tool_call_id": call.id, "output": "25"}]
    )
    assert run.status == "completed"
    assert [body.get("tool_choice") for body in case.asked] == [forced, None]


def test_no_tool_is_no_tool_on_every_turn(case: Case) -> None:
    run = case.run(Says("Words."), tool_choice="none")
    assert (run.status, case.asked[0]["tool_choice"]) == ("completed", "none")


def test_a_model_that_calls_although_it_was_told_not_to_runs_nothing(case: Case) -> None:
    run = case.run(Runs("print(1)"), tool_choice="none")
    assert (run.status, case.steps(run), case.said(run)) == ("completed", ["message_creation"], [""])


def test_what_nobody_has_asked_for_is_not_sent(case: Case) -> None:
    run = case.run(Says("Words."))
    assert (run.temperature, run.top_p) == (1.0, 1.0)
    assert not {"temperature", "top_p", "tool_choice", "max_tokens", "reasoning_effort"} & set(case.asked[0])


def test_what_the_model_is_sent_of_a_run(case: Case) -> None:
    schema = {"name": "s", "schema": {"type": "object", "properties": {}}, "strict": True}
    run = case.run(
        Says("{}"),
        model="m-2",
        temperature=0.3,
        top_p=0.4,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": schema},
        parallel_tool_calls=False,
        max_completion_tokens=300,
        tools=[FUNCTION],
        additional_instructions="B.",
        additional_messages=[{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two."}],
        metadata={"k": "v"},
    )
    (body,) = case.asked
    assert (run.status, run.metadata, run.model) == ("completed", {"k": "v"}, "m-2")
    assert {name: body[name] for name in ("model", "temperature", "top_p", "reasoning_effort", "max_tokens")} == {
        "model": "m-2",
        "temperature": 0.3,
        "top_p": 0.4,
        "reasoning_effort": "low",
        "max_tokens": 300,
    }
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert body["parallel_tool_calls"] is False
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert body["messages"] == [
        {"role": "system", "content": "A.\n\nB."},
        {"role": "user", "content": "Q."},
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
    ]


def test_one_call_a_reply_where_parallel_calls_are_refused(case: Case) -> None:
    two = Calls("weather", {"city": "Haifa"}) + Calls("weather", {"city": "Eilat"})
    for tools in ([FUNCTION], [CODE, FUNCTION]):
        run = case.run(two, parallel_tool_calls=False, tools=tools)
        (call,) = run.required_action.submit_tool_outputs.tool_calls
        assert call.function.arguments == '{"city": "Haifa"}'
        case.sdk.beta.threads.runs.cancel(run.id, thread_id=case.thread)
        case.sdk.beta.threads.runs.poll(run.id, thread_id=case.thread)
    run = case.run(two)
    assert len(run.required_action.submit_tool_outputs.tool_calls) == 2


def test_only_the_last_messages_are_told(case: Case) -> None:
    for text in ("Two.", "Three."):
        case.sdk.beta.threads.messages.create(case.thread, role="user", content=text)
    case.run(Says("."), truncation_strategy={"type": "last_messages", "last_messages": 2})
    assert [message["content"] for message in case.asked[0]["messages"]] == ["A.", "Two.", "Three."]


def test_the_prompts_budget_leaves_out_what_is_oldest(case: Case) -> None:
    for text in ("old " * 2000, "new", "Q?"):
        case.sdk.beta.threads.messages.create(case.thread, role="user", content=text)
    run = case.run(Says("."), max_prompt_tokens=1000)
    assert run.status == "completed"
    assert [message["content"] for message in case.asked[0]["messages"]] == ["A.", "new", "Q?"]
    run = case.run(
        max_prompt_tokens=1000,
        truncation_strategy={"type": "last_messages", "last_messages": 1},
        additional_messages=[{"role": "user", "content": "long " * 2000}],
    )
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_prompt_tokens")
    assert case.asked == []


def test_budgets_end_a_run_as_incomplete(case: Case) -> None:
    run = case.run(Runs("1", usage=(300, 5)), max_prompt_tokens=300)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_prompt_tokens")
    assert run.usage.to_dict() == {"prompt_tokens": 300, "completion_tokens": 5, "total_tokens": 305}
    run = case.run(Runs("1", usage=(10, 200)), Says("Half a", finish="length"), max_completion_tokens=256)
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert [body["max_tokens"] for body in case.asked] == [256, 56]
    (message,) = case.sdk.beta.threads.messages.list(case.thread, run_id=run.id)
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "max_tokens")


def test_what_the_endpoint_does_not_count_is_estimated(case: Case) -> None:
    run = case.run(Says("four letters in each word", usage=None))
    assert run.usage.completion_tokens == 7
    assert run.usage.total_tokens == run.usage.prompt_tokens + 7


def test_a_conversation_that_the_model_cannot_read_is_asked_without_its_oldest_part(case: Case) -> None:
    for text in ("Two.", "Three.", "Four."):
        case.sdk.beta.threads.messages.create(case.thread, role="user", content=text)
    too_long = Fails(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
    run = case.run(too_long, too_long, Says("."))
    assert run.status == "completed"
    assert [[message["content"] for message in body["messages"]] for body in case.asked] == [
        ["A.", "Q.", "Two.", "Three.", "Four."],
        ["A.", "Three.", "Four."],
        ["A.", "Four."],
    ]
    last: Any = {"type": "last_messages", "last_messages": 3}
    run = case.run(too_long, truncation_strategy=last)
    assert (run.status, run.last_error.code) == ("failed", "invalid_prompt")
    assert "too long for the model" in run.last_error.message


# What a reply may hold


def said_after(*calls: dict[str, Any], text: str) -> Chunks:
    """A reply with text, these calls, and text after them."""
    pieces = [call_chunk({"index": index, "id": f"c{index}", "function": call}) for index, call in enumerate(calls)]
    return Chunks(
        [text_chunk("Before. "), *pieces, text_chunk(text), finish_chunk("tool_calls"), usage_chunk(9, 9)]
    )


def test_text_after_a_call_is_a_message_after_its_step(case: Case) -> None:
    call = {"name": "code_interpreter", "arguments": '{"code": "1"}'}
    run = case.run(said_after(call, text="After."), Says("Done."))
    assert case.said(run) == ["Before. ", "After.", "Done."]
    assert case.steps(run) == ["message_creation", "tool_calls", "message_creation", "message_creation"]
    assert [message["role"] for message in case.asked[1]["messages"]] == ["system", "user", "assistant", "tool"]
    assert case.asked[1]["messages"][2]["content"] == "Before. After."


@pytest.mark.parametrize("tools", [[FUNCTION], [CODE, FUNCTION]], ids=["streamed", "held"])
def test_text_after_a_clients_call_comes_with_its_output(case: Case, tools: Any) -> None:
    call = {"name": "weather", "arguments": "{}"}
    run = case.run(said_after(call, text="After."), Says("Done."), tools=tools)
    (wanted,) = run.required_action.submit_tool_outputs.tool_calls
    with case.sdk.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=case.thread, tool_outputs=[{"tool_call_id": wanted.id, "output": "25"}]
    ) as stream:
        names = [event.event for event in stream if not event.event.endswith("delta")]
    assert names[:5] == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
    ]
    assert case.said(run) == ["Before. ", "After.", "Done."]
    assert [message["content"] for message in case.asked[1]["messages"][2:]] == ["Before. After.", "25"]
    case.run(Says("."))
    assert [message["content"] for message in case.asked[0]["messages"][2:]] == ["Before. After.", "25", "Done."]


def test_a_reply_of_nothing_is_an_empty_message(case: Case) -> None:
    run = case.run(Reply())
    assert (run.status, case.said(run)) == ("completed", [""])
    run = case.run(Says("Look.") + Runs("1"), Reply())
    assert (run.status, case.said(run)) == ("completed", ["Look."])
    case.upstream.will([Reply()])
    with case.sdk.beta.threads.runs.stream(thread_id=case.thread, assistant_id=case.assistant) as stream:
        (message,) = stream.get_final_messages()
    assert message.content[0].to_dict()["text"] == {"value": "", "annotations": []}


def test_metadata_given_meanwhile_is_in_the_events_that_follow(case: Case) -> None:
    run = case.run(Calls("weather", {}), Says("Sunny."), metadata={"k": "old"})
    (wanted,) = run.required_action.submit_tool_outputs.tool_calls
    runs = case.sdk.beta.threads.runs
    runs.update(run.id, thread_id=case.thread, metadata={"k": "new"})
    outputs: Any = [{"tool_call_id": wanted.id, "output": "25"}]
    with runs.submit_tool_outputs_stream(run_id=run.id, thread_id=case.thread, tool_outputs=outputs) as stream:
        seen = [event.data.metadata for event in stream if event.data.id == run.id]
    assert seen == [{"k": "new"}] * 3
    assert runs.retrieve(run.id, thread_id=case.thread).metadata == {"k": "new"}
