"""What the model is told, rebuilt from what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from kernelci.engine.counting import PICTURE_TOKENS, tokens_in
from kernelci.engine.events import Call
from kernelci.engine.ports.model import CODE_TOOL, Figures, Reply
from kernelci.engine.prompt import Prompt, build_prompt
from kernelci.engine.results import Result, excerpted
from kernelci.protocol.objects import (
    ClientCall,
    CodeCall,
    CodeRun,
    File,
    FileId,
    FunctionResult,
    Image,
    Logs,
    Message,
    MessageCreation,
    MessageId,
    Run,
    RunStep,
    StepDetails,
    ToolCalls,
)
from kernelci.protocol.parts import (
    CodeInterpreterTool,
    ForcedTool,
    Function,
    FunctionTool,
    ImageFile,
    ImageFilePart,
    JsonObject,
    Text,
    TextPart,
    TruncationStrategy,
)

PNG = b"\x89PNG not really"


class Folder:
    """Stands for the blobs: one picture."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, sha256: str) -> Path:
        return self._path


def a_run(id: str = "run_2", **changes: object) -> Run:
    fields: dict[str, object] = {
        "id": id,
        "created_at": 1,
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "model": "m",
        "tools": (CodeInterpreterTool(),),
    }
    return Run.model_validate(fields | changes)


def said(id: str, role: str, text: str, run_id: str | None = None) -> Message:
    content = (TextPart(text=Text(value=text)),)
    return Message.model_validate(
        {"id": id, "created_at": 1, "thread_id": "t", "role": role, "content": content, "run_id": run_id}
    )


def step(run_id: str, turn: int, details: StepDetails, status: str = "completed") -> RunStep:
    return RunStep.model_validate(
        {
            "id": f"step_{run_id}_{turn}",
            "created_at": 1,
            "run_id": run_id,
            "assistant_id": "asst_1",
            "thread_id": "thread_1",
            "type": details.type,
            "status": status,
            "step_details": details,
            "turn": turn,
        }
    )


def wrote(message_id: str) -> MessageCreation:
    return MessageCreation(message_creation=MessageId(message_id=message_id))


def ran(id: str, code: str, *outputs: Logs | Image) -> ToolCalls:
    return ToolCalls(tool_calls=(CodeCall(id=id, code_interpreter=CodeRun(input=code, outputs=outputs)),))


async def prompt_of(
    run: Run, *conversation: Message | RunStep, files: tuple[File, ...] = (), at: Path = Path()
) -> Prompt:
    return await build_prompt(
        run=run,
        model="up",
        conversation=conversation,
        files=files,
        names={file.id: file.filename for file in files},
        blobs=Folder(at),
        room=1000,
        fetch=stored,
    )


async def stored(step_id: str, call_id: str) -> str:
    return f"the whole of {call_id} in {step_id}"


async def test_earlier_runs_are_told_with_their_code_and_outputs() -> None:
    prompt = await prompt_of(
        a_run(instructions="Be brief."),
        said("msg_1", "user", "What is 1/0?"),
        said("msg_2", "assistant", "I shall see.", "run_1"),
        step("run_1", 0, wrote("msg_2")),
        step("run_1", 0, ran("call_1", "1/0", Logs(logs="ZeroDivisionError"))),
        step("run_1", 1, ran("call_2", "plt.show()", Image(image=FileId(file_id="file-1")))),
        said("msg_3", "assistant", "Nothing.", "run_1"),
        step("run_1", 2, wrote("msg_3")),
        said("msg_4", "user", "ומה עם 2/1?"),
    )
    assert prompt.messages == snapshot(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is 1/0?"},
            {
                "role": "assistant",
                "content": "I shall see.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "code_interpreter", "arguments": '{"code": "1/0"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "ZeroDivisionError"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "code_interpreter", "arguments": '{"code": "plt.show()"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_2", "content": "[a figure was displayed to the user]"},
            {"role": "assistant", "content": "Nothing."},
            {"role": "user", "content": "ומה עם 2/1?"},
        ]
    )
    assert prompt.turn == 0


async def test_a_resumed_run_goes_on_where_its_steps_end() -> None:
    call = ClientCall(id="call_1", function=FunctionResult(name="f", arguments="{}", output="42"))
    prompt = await prompt_of(
        a_run("run_1"),
        said("msg_1", "user", "Call f"),
        step("run_1", 4, ToolCalls(tool_calls=(call,))),
    )
    assert prompt.messages[1:] == snapshot(
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ]
    )
    assert prompt.turn == 5


async def test_pictures_and_file_names_reach_the_model(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(PNG)
    picture = File(id="file-1", created_at=1, bytes=1, filename="cat.png", purpose="vision", blob="b")
    content = (TextPart(text=Text(value="Look")), ImageFilePart(image_file=ImageFile(file_id="file-1")))
    message = Message(id="msg_1", created_at=1, thread_id="t", role="user", content=content)
    prompt = await prompt_of(a_run(), message, files=(picture,), at=tmp_path / "blob")
    assert "/mnt/data/cat.png" in prompt.messages[0]["content"]
    assert prompt.messages[1]["content"] == snapshot(
        [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORyBub3QgcmVhbGx5"}},
        ]
    )


async def test_only_the_last_messages_where_the_run_says_so() -> None:
    run = a_run(truncation_strategy=TruncationStrategy(type="last_messages", last_messages=1))
    prompt = await prompt_of(run, said("msg_1", "user", "one"), said("msg_2", "user", "two"))
    assert [message["content"] for message in prompt.messages] == ["two"]
    reply = (step("run_1", 0, wrote("msg_2")), said("msg_2", "assistant", "one!", "run_1"))
    prompt = await prompt_of(run, said("msg_1", "user", "one"), *reply)
    assert [message["content"] for message in prompt.messages] == ["one!"]


async def test_a_tool_is_forced_on_the_first_turn_only() -> None:
    prompt = await prompt_of(a_run(tool_choice=ForcedTool(type="code_interpreter")))
    assert prompt.request(0).tool_choice == {"type": "function", "function": {"name": CODE_TOOL}}
    assert prompt.request(1).tool_choice is None


async def test_functions_are_offered_as_the_client_gave_them() -> None:
    function = Function(name="f", parameters={"type": "object", "properties": {"x": {"default": None}}})
    prompt = await prompt_of(a_run(tools=(FunctionTool(function=function),)))
    assert prompt.request(0).tools[0]["function"]["parameters"] == function.parameters


@pytest.mark.parametrize(
    ("arguments", "told"),
    [('{"city": "Par', '{"arguments": "{\\"city\\": \\"Par"}'), ("", "{}"), ("[1]", '{"arguments": "[1]"}')],
)
async def test_a_functions_broken_arguments_do_not_spoil_the_thread(arguments: str, told: str) -> None:
    prompt = await prompt_of(a_run())
    prompt.add(Reply("", (Call("call_1", "f", arguments),)))
    assert prompt.messages[-1]["tool_calls"][0]["function"]["arguments"] == told


@pytest.mark.parametrize("arguments", ["import os", '{"code": "import os'])
async def test_broken_arguments_are_made_valid_json_in_the_history(arguments: str) -> None:
    prompt = await prompt_of(a_run())
    prompt.add(Reply("", (Call("call_1", CODE_TOOL, arguments, code="import os"),)))
    assert prompt.messages[-1]["tool_calls"][0]["function"]["arguments"] == '{"code": "import os"}'


async def test_what_is_too_long_loses_outputs_then_figures_then_what_was_said_before() -> None:
    prompt = await prompt_of(
        a_run(),
        said("msg_1", "user", "Earlier"),
        step("run_1", 0, ran("call_1", "1", Logs(logs="one " * 240))),
        said("msg_2", "user", "Draw"),
        step("run_2", 0, ran("call_2", "2", Logs(logs="two " * 240))),
    )
    prompt.add(Reply("", (Call("call_3", CODE_TOOL, "{}", code="plot()"),)))
    prompt.add_result(Call("call_3", CODE_TOOL, "{}", code="plot()"), Result("", figures=("data:a", "data:b")))
    assert prompt.request(1).figures == Figures("call_3", ("data:a", "data:b"))
    assert [tool["function"]["name"] for tool in prompt.request(1).tools] == [CODE_TOOL]

    assert prompt.shorten()
    assert [tool["function"]["name"] for tool in prompt.request(1).tools] == [CODE_TOOL, "read_output"]
    first, second = [message["content"] for message in prompt.messages if message["role"] == "tool"][:2]
    assert ("out_1 goes on" in first, second) == (True, "two " * 240)
    assert prompt.shorten()
    assert "out_2 goes on" in prompt.messages[5]["content"]
    assert prompt.request(1).figures
    assert prompt.shorten()
    assert not prompt.request(1).figures
    assert prompt.messages[0]["content"] == "Earlier"
    while prompt.shorten():
        pass
    assert prompt.messages[0]["content"] == "Draw"
    assert await prompt.results.find("out_1") == ("out_1", "one " * 240)


async def test_of_a_long_output_the_excerpt_will_do_until_the_model_reads_it() -> None:
    logs = "\n".join(f"row {number}" for number in range(5000))
    whole = step("run_1", 0, ran("call_1", "1", Logs(logs=logs), Image(image=FileId(file_id="file-1"))))
    brief = excerpted(whole).model_copy(
        update={"step_details": ran("call_1", "1", Image(image=FileId(file_id="file-1")))}
    )
    of_whole = await prompt_of(a_run(), whole, said("msg_1", "user", "And now?"))
    of_brief = await prompt_of(a_run(), brief, said("msg_1", "user", "And now?"))
    assert of_brief.messages == of_whole.messages
    assert "out_1 goes on: 5,001 lines with " in of_brief.messages[1]["content"]
    assert of_brief.shorten() and of_whole.shorten()
    assert of_brief.messages == of_whole.messages
    assert await of_whole.results.find("") == ("out_1", f"{logs}\n[a figure was displayed to the user]")
    assert await of_brief.results.find("") == ("out_1", f"the whole of call_1 in {whole.id}")


async def test_what_is_left_of_an_earlier_conversation_begins_with_the_user() -> None:
    earlier = [step("run_1", turn, ran(f"call_{turn}", "1", Logs(logs="one"))) for turn in range(4)]
    prompt = await prompt_of(a_run(), said("msg_1", "user", "Look"), *earlier, said("msg_2", "user", "And now?"))
    assert [message["role"] for message in prompt.messages] == ["user", *["assistant", "tool"] * 4, "user"]
    assert prompt.shorten()
    assert [message["role"] for message in prompt.messages] == ["user"]
    assert not prompt.shorten()


async def test_figures_go_first_where_a_question_has_to_fit() -> None:
    prompt = await prompt_of(
        a_run(),
        said("msg_1", "user", "Earlier"),
        step("run_1", 0, ran("call_1", "1", Logs(logs="one " * 240))),
        said("msg_2", "user", "Draw"),
    )
    prompt.add(Reply("", (Call("call_3", CODE_TOOL, "{}", code="plot()"),)))
    without = prompt.tokens
    prompt.add_result(Call("call_3", CODE_TOOL, "{}", code="plot()"), Result("", figures=("data:a", "", "data:b")))
    assert prompt.tokens == without + 2 * PICTURE_TOKENS
    assert prompt.fit(without)
    assert (prompt.figures, prompt.tokens) == (None, without)


async def test_no_more_is_left_out_than_has_to_be() -> None:
    asked = [said(f"msg_{number}", "user", "word " * number) for number in range(1, 40)]
    prompt = await prompt_of(a_run(), *asked)
    room = prompt.tokens - 50
    assert prompt.fit(room)
    assert prompt.messages[0]["content"] == "word " * 10
    assert not prompt.fit(10)
    assert len(prompt.messages) == 1


async def test_a_long_thread_is_not_counted_anew_for_each_message_that_it_loses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompt = await prompt_of(a_run(), *(said(f"msg_{number}", "user", "word " * 100) for number in range(400)))
    counted = 0

    def count(messages: Iterable[JsonObject], *more: Any) -> int:
        nonlocal counted
        messages = list(messages)
        counted += len(messages)
        return tokens_in(messages, *more)

    monkeypatch.setattr("kernelci.engine.prompt.tokens_in", count)
    assert prompt.fit(prompt.tokens // 10)
    assert len(prompt.messages) < 41
    assert counted < 10 * 400
