"""Where there is no model, the Python in the user's own message runs, block by block."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from kernelci.engine.events import CodeDelta, Event, TextDelta, TextDone
from kernelci.engine.ports.model import ModelRequest
from kernelci.models.offline import OfflineModel, python_blocks
from tests.models.requests import FUNCTIONS_ONLY, WITH_CODE

ASKED = """Do this:
```python
x = 6
```
and then
```
x * 7
```
"""
WHO = "No model is configured, so kernelci's offline model answers."


def conversation(*messages: str, **more: object) -> ModelRequest:
    """A request: what the user said, then what each cell gave."""
    asked, *results = messages
    said: list[dict[str, object]] = [{"role": "user", "content": asked}]
    for result in results:
        said += [
            {"role": "assistant", "content": ""},
            {"role": "tool", "tool_call_id": "call_1", "content": result},
        ]
    return replace(WITH_CODE, messages=said, **more)


async def said(request: ModelRequest) -> str:
    """What the model says; code is marked by `>>> `."""
    events: list[Event] = []

    async def emit(event: Event) -> None:
        events.append(event)

    reply = await OfflineModel().reply(request, emit)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    code = "".join(event.text for event in events if isinstance(event, CodeDelta))
    assert (TextDone() in events) == bool(text)
    assert text == reply.text
    assert [code] * bool(code) == [call.code for call in reply.calls]
    return text or f">>> {code}"


async def test_each_turn_runs_the_next_block_and_the_last_gives_the_result():
    assert await said(conversation(ASKED)) == ">>> x = 6"
    assert await said(conversation(ASKED, "[no output]")) == ">>> x * 7"
    assert await said(conversation(ASKED, "[no output]", "42")) == (
        f"{WHO} Your Python ran. Its last result:\n\n```\n42\n```"
    )


async def test_only_the_last_message_counts():
    earlier = conversation(ASKED, "[no output]", "42").messages
    request = replace(WITH_CODE, messages=[*earlier, {"role": "user", "content": "```python\n1\n```"}])
    assert await said(request) == ">>> 1"


async def test_the_parts_of_a_message_are_read_together():
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    content = [{"type": "text", "text": "```python\n1"}, picture, {"type": "text", "text": "2\n```"}]
    assert await said(replace(WITH_CODE, messages=[{"role": "user", "content": content}])) == ">>> 1\n2"


@pytest.fixture(scope="module")
def failures() -> list[str]:
    """How a real kernel shows each kind of failure."""
    kernel, client = start_new_kernel()
    shown: list[str] = []

    def note(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            shown.append(re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(message["content"]["traceback"])).strip("\n"))

    for code in ("1/0", "x = (", "if x:\n1", "raise KeyboardInterrupt", "exec('x = (')"):
        client.execute_interactive(code, output_hook=note)
    client.stop_channels()
    kernel.shutdown_kernel(now=True)
    assert len(shown) == 5
    return shown


CUT_SHORT = [
    "The kernel has ended (killed by signal 9). Its variables and imports are lost.",
    "The cell was stopped because it ran for more than 120 s.",
]


async def test_a_block_that_fails_is_the_last(failures):
    for failure in [*failures, *CUT_SHORT]:
        result = f"printed before\n{failure}"
        assert await said(conversation(ASKED, result)) == (
            f"{WHO} Block 1 of 2 failed, so it stopped there:\n\n```\n{result}\n```"
        )


async def test_a_result_that_only_looks_like_a_failure_is_none():
    assert await said(conversation(ASKED, "ValueError: said the data, in line 3")) == ">>> x * 7"


async def test_a_result_with_fences_of_its_own_stays_whole():
    told = await said(conversation("```py\nprint(text)\n```", "```python\n1\n```"))
    assert told.endswith("\n\n````\n```python\n1\n```\n````")


async def test_a_hebrew_result_stands_on_lines_of_its_own():
    told = await said(conversation("הרץ:\n```python\nprint('שלום')\n```", "שלום\n"))
    assert told.splitlines()[2:] == ["```", "שלום", "```"]


async def test_without_python_it_says_what_it_is_and_how_to_have_a_model():
    told = await said(conversation("What is the mean?"))
    assert told.startswith(WHO)
    assert "--model-url" in told
    assert "```python" in told


async def test_without_an_interpreter_it_says_so():
    told = await said(replace(FUNCTIONS_ONLY, messages=conversation(ASKED).messages))
    assert told.startswith(WHO)
    assert '{"type": "code_interpreter"}' in told
    assert await said(conversation(ASKED, tool_choice="none")) == told


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        pytest.param("```python\n1\n```", ["1"], id="python"),
        pytest.param("```Py \r\n1\r\n2\r\n```\r\n", ["1\n2"], id="py, and Windows lines"),
        pytest.param("```\n1\n```", ["1"], id="not marked"),
        pytest.param("```json\n1\n```\n```py\n2\n```", ["2"], id="another language before"),
        pytest.param("```bash\nls\n```", [], id="another language"),
        pytest.param("```python\n1", ["1"], id="never closed"),
        pytest.param("```python\n```", [], id="empty"),
        pytest.param("````python\n'''\n```\n'''\n````", ["'''\n```\n'''"], id="a longer fence around a shorter"),
        pytest.param("1. run\n   ```python\n   if x:\n       y\n   ```", ["if x:\n    y"], id="in a list"),
        pytest.param("שלום\n\u200f```python\u200f\n1\n\u200f```\u200f\nתודה", ["1"], id="direction marks"),
        pytest.param("run `x` and ```y``` now", [], id="ticks inside a line"),
        pytest.param("```print(1)```", [], id="all on one line"),
    ],
)
def test_the_blocks_of_a_message(text, blocks):
    assert python_blocks(text) == blocks
