from __future__ import annotations

import pytest

from kernelci.protocol.objects import Message
from kernelci.protocol.parts import JsonObject
from kernelci.transcripts.markdown import source, turned


def message(role: str, *content: JsonObject, **changes: object) -> Message:
    return Message.model_validate(
        {"id": "msg_1", "created_at": 1, "thread_id": "thread_1", "role": role, "content": content} | changes
    )


def text(value: str) -> JsonObject:
    return {"type": "text", "text": {"value": value}}


def picture(file_id: str) -> JsonObject:
    return {"type": "image_file", "image_file": {"file_id": file_id}}


def address(url: str) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": url}}


def test_says_who_said_what() -> None:
    assert source(message("user", text("What is 6 * 7?"))) == "**User**\n\nWhat is 6 * 7?"
    assert (
        source(message("assistant", text("It is 42."), text("Really."))) == "**Assistant**\n\nIt is 42.\n\nReally."
    )
    assert source(message("assistant")) == "**Assistant**"


def test_a_persons_files_are_named() -> None:
    shown = source(
        message(
            "user",
            picture("file-1"),
            text("What is this?"),
            address("https://example.org/a.png"),
            address("data:image/png;base64," + "A" * 10_000),
            address("https://example.org/`**b**\n`" + "x" * 500),
            attachments=[{"file_id": "file-2", "tools": [{"type": "code_interpreter"}]}],
        )
    )
    assert shown.split("\n\n") == [
        "**User**",
        "What is this?",
        "*Image:* `file-1`",
        "*Image:* `https://example.org/a.png`",
        "*Image:* `data:image/png;base64`",
        f"*Image:* `https://example.org/**b**{'x' * 175}`",
        "*Attached:* `file-2`",
    ]


def test_an_assistants_figures_are_not_shown_twice() -> None:
    assert source(message("assistant", picture("file-1"), text("See above."))) == "**Assistant**\n\nSee above."
    assert source(message("assistant", picture("file-1"))) == "**Assistant**\n\n*The figure above.*"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Two\n\n\n\nparagraphs  \nand `שלום` in code,\n\n```\nעברית\n```\n\n    indented\n\n",
        "a < b, **bold**, <b>, $x_1$, [a](sandbox:/mnt/data/a.csv), \u2028, \x0c, \ud800",
        "123 --- !",
        "```python\nprint('שלום')",
    ],
)
def test_left_to_right_text_is_not_touched(said: str) -> None:
    assert turned(said) == said
    assert source(message("user", text(said))) == f"**User**\n\n{said}"


def test_hebrew_is_turned() -> None:
    assert source(message("user", text("מה הממוצע של `bill_length`?"))) == (
        '**User**\n\n<div dir="rtl">\n\nמה הממוצע של `bill_length`?\n\n</div>'
    )


def test_code_stays_outside() -> None:
    said = """\
`df.head()` מציג את השורות:
```python
print("שלום")

x = 1
```
ואז:

1. שורה
2. [קובץ](sandbox:/mnt/data/a.csv)

---

English goes its own way.

````
```
````"""
    assert (
        turned(said)
        == """\
<div dir="rtl">

`df.head()` מציג את השורות:

</div>

```python
print("שלום")

x = 1
```

<div dir="rtl">

ואז:

1. שורה
2. [קובץ](sandbox:/mnt/data/a.csv)

---

</div>

English goes its own way.

````
```
````"""
    )


def test_code_that_never_ends_swallows_no_tag() -> None:
    assert turned("שלום\n\n~~~\nx\n\ny") == '<div dir="rtl">\n\nשלום\n\n</div>\n\n~~~\nx\n\ny'


def test_backticks_in_a_line_open_no_block() -> None:
    assert turned("```x``` שלום\n\nעוד") == '<div dir="rtl">\n\n```x``` שלום\n\nעוד\n\n</div>'
