"""Every shape of a reply that models are known to give, whoever serves them."""

from __future__ import annotations

import json

from tests.shapes.shape import CODE, Shape, called, said, shape
from tests.upstream import Chunks, Fails, Says, call_chunk, finish_chunk, text_chunk

ARGUMENTS = json.dumps({"code": CODE})
CALL = json.dumps({"name": "code_interpreter", "arguments": {"code": CODE}})
WEATHER = json.dumps({"name": "weather", "arguments": {"city": "Haifa"}})
HARMONY = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions."
FENCED = f"```python\n{CODE}\n```"


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

WRITTEN = [
    said("Hermes `<tool_call>`", f"Let me see.\n<tool_call>\n{CALL}\n</tool_call>", text="Let me see."),
    said(
        "Hermes, two calls",
        f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{WEATHER}\n</tool_call>",
        calls=(("weather", '{"city": "Haifa"}'),),
    ),
    said("Hermes, never closed", f"<tool_call>\n{CALL}"),
    said("Hermes, broken JSON", "<tool_call>\n" + CALL[:-2] + "\n</tool_call>"),
    said(
        "Qwen Coder's XML",
        f"<tool_call>\n<function=code_interpreter>\n<parameter=code>\n{CODE}\n</parameter>\n</function>\n</tool_call>",
    ),
    said(
        "GLM's keys and values",
        f"<tool_call>code_interpreter\n<arg_key>code</arg_key>\n<arg_value>{CODE}</arg_value>\n</tool_call>",
    ),
    said("Mistral `[TOOL_CALLS]`, a list", f"[TOOL_CALLS] [{CALL}]</s>"),
    said("Mistral `[TOOL_CALLS]`, a name", f"[TOOL_CALLS]code_interpreter[ARGS]{ARGUMENTS}"),
    said("Llama `<|python_tag|>`, JSON", "<|python_tag|>" + CALL.replace("arguments", "parameters") + "<|eom_id|>"),
    said("Llama `<|python_tag|>`, Python", f"<|python_tag|>{CODE}"),
    said("Llama `<function=…>`", f"<function=code_interpreter>{ARGUMENTS}</function>"),
    said("LM Studio `[TOOL_REQUEST]`", f"[TOOL_REQUEST]{CALL}[END_TOOL_REQUEST]"),
    said(
        "DeepSeek's marks",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>code_interpreter\n"
        f"```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    said("gpt-oss's channels", f"{HARMONY}code_interpreter <|constrain|>json<|message|>{ARGUMENTS}<|call|>"),
    said(
        "gpt-oss's channels, Python as it is",
        f"<|start|>assistant<|channel|>analysis to=python code<|message|>{CODE}<|call|>",
    ),
    said(
        "gpt-oss's channels, words before a call",
        f"<|channel|>commentary<|message|>Let me see.<|end|>{HARMONY}python<|message|>{ARGUMENTS}",
        text="Let me see.",
    ),
    said("bare JSON", CALL),
    said("bare JSON, a wrong name and `parameters`", json.dumps({"name": "python", "parameters": {"code": CODE}})),
    said("bare JSON, a list of calls", f"[{CALL}]"),
    said("bare JSON of arguments alone", ARGUMENTS),
    said("bare JSON, as the hosted service has it", json.dumps({"type": "function", "function": json.loads(CALL)})),
    said("bare JSON after a sentence", f"I will compute it.\n{CALL}", text="I will compute it."),
    said("fenced JSON", f"```json\n{json.dumps(json.loads(CALL), indent=2)}\n```"),
    said("fenced JSON after a sentence", f"I will compute it.\n\n```\n{CALL}\n```\n", text="I will compute it."),
]

MENTIONED = "Write `<tool_call>{}</tool_call>`."
ANSWER = '{"name": "Ada", "born": 1815}'
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
