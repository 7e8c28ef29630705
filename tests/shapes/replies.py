"""Every shape of a reply that models are known to give, whoever serves them."""

from __future__ import annotations

import json

from tests.shapes.shape import ARGUMENTS, CALL, CODE, FENCED, WEATHER, Shape, called, said, shape
from tests.shapes.written import WRITTEN
from tests.upstream import Chunks, Fails, Says, call_chunk, finish_chunk, text_chunk


def piece(arguments=None, name=None, **more):
    return {**more, "function": {"name": name, "arguments": arguments}}


def whole(arguments=ARGUMENTS, name="code_interpreter", **more):
    return piece(arguments, name, index=0, id="a", **more)


def cut(text, size=5):
    return [text[at : at + size] for at in range(0, len(text), size)]


STREAMED = [
    called(
        "in pieces, as the hosted service does",
        piece("", "code_interpreter", index=0, id="a", type="function"),
        *(piece(part, index=0) for part in cut(ARGUMENTS)),
    ),
    called("whole in one delta", whole()),
    called("in pieces without id and index", piece("", "code_interpreter"), *map(piece, cut(ARGUMENTS))),
    called("whole without id and index", piece(ARGUMENTS, "code_interpreter")),
    called(
        "an id in every piece, each another",
        *(
            piece(part, None if at else "code_interpreter", index=0, id=str(at))
            for at, part in enumerate(cut(ARGUMENTS))
        ),
    ),
    called(
        "name and id repeated as empty text",
        piece("", "code_interpreter", index=0, id="a"),
        *(piece(part, "", index=0, id="") for part in cut(ARGUMENTS)),
    ),
    called("the first index is 1", piece(ARGUMENTS, "code_interpreter", index=1, id="a")),
    called("arguments as an object", whole({"code": CODE})),
    shape(
        "several at once, interleaved",
        call_chunk(piece("", "code_interpreter", index=0, id="a"), piece("", "code_interpreter", index=1, id="b")),
        *(call_chunk(piece(part, index=0), piece(part, index=1)) for part in cut(ARGUMENTS)),
        codes=(CODE, CODE),
    ),
    called("several, all of index 0", whole(), {**whole(), "id": "b"}, codes=(CODE, CODE)),
    called(
        "several without id and index",
        piece(ARGUMENTS, "code_interpreter"),
        piece(ARGUMENTS, "code_interpreter"),
        codes=(CODE, CODE),
    ),
    called("a second call that is empty", whole(), {"index": 1, "id": "", "type": "function"}),
    shape(
        "a message in place of a delta",
        {"choices": [{"index": 0, "message": {"content": None, "tool_calls": [whole()]}, "finish_reason": None}]},
    ),
]

OTHER_NAMES = (
    "python",
    "Python",
    "functions.python",
    "functions.code_interpreter",
    "code",
    "execute",
    "run_code",
    "code_interpreter.run",
    "code_interpreter<|channel|>commentary",
)

NAMED = [
    *(called(f"`{name}`", whole(name=name)) for name in OTHER_NAMES),
    called(
        "`functions.weather`, a function of the client's",
        whole('{"city": "Haifa"}', "functions.weather"),
        codes=(),
        calls=(("weather", '{"city": "Haifa"}'),),
    ),
    called("a name that nobody has", whole("{}", "search_web"), codes=(), calls=(("search_web", "{}"),)),
]

ARGUED = [
    called(name, whole(arguments))
    for name, arguments in {
        "the code itself": CODE,
        "a JSON string": json.dumps(CODE),
        "encoded twice": json.dumps(ARGUMENTS),
        "arguments within arguments": json.dumps({"arguments": {"code": CODE}}),
        "`input` for `code`": json.dumps({"input": CODE}),
        "`source` for `code`": json.dumps({"source": CODE}),
        "`script` for `code`": json.dumps({"script": CODE}),
        "a list of lines": json.dumps({"code": CODE.split("\n")}),
        "line breaks not escaped": '{"code": "' + CODE.replace('"', '\\"') + '"}',
        "quotes not escaped": '{"code": "' + CODE.replace("\n", "\\n") + '"}',
        "single quotes": "{'code': '" + CODE.replace("\n", "\\n") + "'}",
        "keys without quotes": "{code: " + json.dumps(CODE) + "}",
        "a comma too many": ARGUMENTS[:-1] + ",}",
        "the end is missing": ARGUMENTS[:-2],
        "given twice": ARGUMENTS * 2,
        "a tag left at the end": ARGUMENTS + "</tool_call>",
        "in a Markdown fence": FENCED,
        "JSON in a Markdown fence": f"```json\n{ARGUMENTS}\n```",
        "a fence inside the JSON": json.dumps({"code": FENCED}),
    }.items()
]

MENTIONED = "Write `<tool_call>{}</tool_call>`."
ANSWER = '{"name": "Ada", "born": 1815}'
ABOUT_PYTHON = '{"name": "Python", "created": 1991, "creator": "Guido van Rossum"}'
NAMES = '[{"name": "Python", "arguments": "3"}, {"name": "Run", "since": 2001}]'
WARNED = '{"name": "python", "code": "import this", "warning": "never run this"}'
PYTHONIC = "[forecast(city='Haifa')]"
XML = "```xml\n<think>\n</think>\n```"
EXPLAINED = f"A call looks so:\n```json\n{CALL}\n```\nThat is all."

SHOWN = [
    Shape(
        "fenced Python from a model that calls tools",
        [Chunks([call_chunk(whole()), finish_chunk()]), Says(FENCED)],
        codes=(),
        text=FENCED,
        replies=2,
    ),
    Shape(
        "fenced Python from a model that can call tools",
        [Says(FENCED), Chunks([call_chunk(whole()), finish_chunk()])],
        codes=(),
        text=FENCED,
    ),
    said("fenced JSON among other words", EXPLAINED, codes=(), text=EXPLAINED),
    said("a mark in a line of code", MENTIONED, codes=(), text=MENTIONED),
    said("a mark that begins no call", "<tool_call> is a tag.", codes=(), text="<tool_call> is a tag."),
    said("JSON that is an answer", ANSWER, codes=(), text=ANSWER),
    said("JSON that is an answer, about Python", ABOUT_PYTHON, codes=(), text=ABOUT_PYTHON),
    said("JSON that is an answer, a list", NAMES, codes=(), text=NAMES),
    said("JSON that is an answer, with code", WARNED, codes=(), text=WARNED),
    said(
        "JSON that is an answer, fenced",
        f"```json\n{ABOUT_PYTHON}\n```",
        codes=(),
        text=f"```json\n{ABOUT_PYTHON}\n```",
    ),
    Shape(
        "JSON of code alone from a model that can call tools",
        [Says('{"code": "IL"}'), Chunks([call_chunk(whole()), finish_chunk()])],
        codes=(),
        text='{"code": "IL"}',
    ),
    said("a list as Python's, of what is no tool", PYTHONIC, codes=(), text=PYTHONIC),
    said("a thought in fenced code", XML, codes=(), text=XML),
]

REFUSED = {"error": {"message": "model does not support tools", "type": "api_error", "param": None, "code": None}}

TOOLLESS = [
    Shape("tools refused, then fenced Python", [Fails(400, REFUSED), Says(f"So:\n{FENCED}")], text="So:"),
    Shape(
        "tools refused, remembered",
        [Fails(400, REFUSED), Says("Hi."), Says(FENCED)],
        replies=2,
    ),
    Shape("tools passed over, fenced Python", [Says(FENCED), Says("I have no tool.")]),
    Shape("tools refused, a fence never closed", [Fails(400, REFUSED), Says(FENCED[:-4])]),
    Shape(
        "tools refused, code that other words follow",
        [Fails(400, REFUSED), Says(f"{FENCED}\nThat prints 6.")],
        codes=(),
        text=f"{FENCED}\nThat prints 6.",
    ),
    Shape(
        "tools refused, a function of the client's",
        [Fails(400, REFUSED), Says(f"<tool_call>{WEATHER}</tool_call>")],
        codes=(),
        calls=(("weather", '{"city": "Haifa"}'),),
    ),
]


def thought(**delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


THOUGHT = [
    shape("`reasoning_content`", thought(reasoning_content="Hm."), text_chunk("Six."), codes=(), text="Six."),
    shape("`reasoning`", thought(content="", reasoning="Hm."), text_chunk("Six."), codes=(), text="Six."),
    said("`<think>`, split over deltas", "<think>\nHm.\n</think>\n\nSix.", codes=(), text="Six."),
    said("`<thinking>`", "<thinking>Hm.</thinking>Six.", codes=(), text="Six."),
    said("`[THINK]`", "[THINK]Hm.[/THINK]Six.", codes=(), text="Six."),
    said(
        "gpt-oss's channels",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Six.<|return|>",
        codes=(),
        text="Six.",
    ),
    said("a thought, then a written call", f"<think>Hm.</think>\n<tool_call>{CALL}</tool_call>"),
    shape("a thought, then a call", text_chunk("<think>Hm.</think>\n"), call_chunk(whole())),
    said("a code fence in a thought", f"<think>\n{FENCED}\n</think>\nSix.", codes=(), text="Six."),
    said("opened by the prompt", "Hm.\n</think>\n\nSix.", model="deepseek-r1:8b", codes=(), text="Six."),
    Shape(
        "opened by the prompt, an unknown model (from its second reply on)",
        [Says("Hm.\n</think>\nFive."), Says("Hm.\n</think>\n\nSix.")],
        codes=(),
        text="Six.",
        replies=2,
    ),
    Shape(
        "opened by the prompt, closed behind a word, an unknown model (from its second reply on)",
        [Says("Five.</think>\n\nFive."), Says("Okay, so it is six.</think>\n\nSix.")],
        codes=(),
        text="Six.",
        replies=2,
    ),
    shape("`reasoning_content` and nothing else", thought(reasoning_content="Six."), codes=(), text="Six."),
    said("`<think>` and nothing else", "<think>\nSix.\n</think>\n\n", codes=(), text="Six."),
    said("never closed", "<think>\nSix.", codes=(), text="Six."),
    said(
        "gpt-oss's channels, and nothing else", "<|channel|>analysis<|message|>Six.<|end|>", codes=(), text="Six."
    ),
    shape("a call in `reasoning_content`", thought(reasoning_content=f"Hm.\n<tool_call>{CALL}</tool_call>")),
    said("a call in `<think>`", f"<think>\nHm.\n<tool_call>\n{CALL}\n</tool_call>\n</think>"),
    said("a call in `<think>`, never closed", f"<think>\nHm.\n<tool_call>\n{CALL}\n</tool_call>"),
    shape("never closed before a call", text_chunk("<think>\nHm.\n"), call_chunk(whole())),
    shape(
        "JSON that no mark makes a call",
        thought(reasoning_content=f"I could write\n{CALL}"),
        codes=(),
        text=f"I could write\n{CALL}",
    ),
    shape(
        "a call that is only thought of",
        thought(reasoning_content=f"<tool_call>{CALL}</tool_call>"),
        text_chunk("Six."),
        codes=(),
        text="Six.",
    ),
    shape(
        "text and thoughts in parts",
        thought(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
        thought(content=[{"type": "text", "text": "Six."}]),
        codes=(),
        text="Six.",
    ),
]

COUNTED = [
    Shape("counted at the end", [Says("Six.")], codes=(), text="Six.", estimated=False),
    Shape(
        "not counted: estimated, and marked so", [Says("Six.", usage=None)], codes=(), text="Six.", estimated=True
    ),
    shape(
        "counted as nothing: estimated, and marked so",
        {**text_chunk("Six."), "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        codes=(),
        text="Six.",
        estimated=True,
    ),
]

FAMILIES = {
    "Calls, streamed": STREAMED,
    "Names": NAMED,
    "Arguments": ARGUED,
    "Calls written into the text": WRITTEN,
    "Shown, and not run": SHOWN,
    "Models without tools": TOOLLESS,
    "Thoughts, kept out of messages": THOUGHT,
    "Tokens": COUNTED,
}
