"""Every way in which models are known to write calls into their text."""

from __future__ import annotations

import json

from tests.shapes.shape import ARGUMENTS, CALL, CODE, WEATHER, Shape, said
from tests.upstream import Says

HARMONY = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions."
HAIFA = (("weather", '{"city": "Haifa"}'),)
MARKS = """\
s = '<tool_call>' + "</tool_call>" + "</parameter></function>" + "[TOOL_CALLS]"
print(s, "<|eom_id|>")"""
BROKEN = '"' + CODE.replace('"', '\\"') + '"'

WRITTEN = [
    said("Hermes `<tool_call>`", f"Let me see.\n<tool_call>\n{CALL}\n</tool_call>", text="Let me see."),
    said(
        "Hermes, two calls",
        f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{WEATHER}\n</tool_call>",
        calls=HAIFA,
    ),
    said("Hermes, never closed", f"<tool_call>\n{CALL}"),
    said("Hermes, broken JSON", "<tool_call>\n" + CALL[:-2] + "\n</tool_call>"),
    said(
        "Hermes, code in long quotes",
        f'<tool_call>\n{{"name": "python", "arguments": {{"code": """\n{CODE}\n"""}}}}\n</tool_call>',
    ),
    said(
        "Hermes, code that speaks of it",
        f"<tool_call>\n{json.dumps({'name': 'python', 'arguments': {'code': MARKS}})}\n</tool_call>",
        codes=(MARKS,),
    ),
    said(
        "Hermes, quotes not escaped in code that speaks of it",
        '<tool_call>{"name": "python", "arguments": {"code": "print("</tool_call>")"}}</tool_call>',
        codes=('print("</tool_call>")',),
    ),
    said(
        "Qwen Coder's XML",
        f"<tool_call>\n<function=code_interpreter>\n<parameter=code>\n{CODE}\n</parameter>\n</function>\n</tool_call>",
    ),
    said(
        "Qwen Coder's XML, a parameter never closed",
        f"<tool_call>\n<function=code_interpreter>\n<parameter=code>\n{CODE}\n</function>\n</tool_call>",
    ),
    said(
        "Qwen Coder's XML, code that speaks of it",
        f"<tool_call>\n<function=code_interpreter>\n<parameter=code>\n{MARKS}\n</parameter>\n</function>\n</tool_call>",
        codes=(MARKS,),
    ),
    said(
        "MiniMax's `<invoke>`",
        f'<minimax:tool_call>\n<invoke name="code_interpreter">\n<parameter name="code">{CODE}</parameter>\n'
        "</invoke>\n</minimax:tool_call>",
    ),
    said(
        "Claude's `<invoke>`, two calls",
        f'<function_calls>\n<invoke name="code_interpreter">\n<parameter name="code">{CODE}</parameter>\n'
        '</invoke>\n<invoke name="weather">\n<parameter name="city">Haifa</parameter>\n'
        "</invoke>\n</function_calls>",
        calls=HAIFA,
    ),
    said("Nemotron `<TOOLCALL>`", f"<TOOLCALL>[{CALL}, {WEATHER}]</TOOLCALL>", calls=HAIFA),
    said(
        "GLM's keys and values",
        f"<tool_call>code_interpreter\n<arg_key>code</arg_key>\n<arg_value>{CODE}</arg_value>\n</tool_call>",
    ),
    said("Mistral `[TOOL_CALLS]`, a list", f"[TOOL_CALLS] [{CALL}]</s>"),
    said("Mistral `[TOOL_CALLS]`, a name", f"[TOOL_CALLS]code_interpreter[ARGS]{ARGUMENTS}"),
    said("Llama `<|python_tag|>`, JSON", "<|python_tag|>" + CALL.replace("arguments", "parameters") + "<|eom_id|>"),
    said("Llama `<|python_tag|>`, Python", f"<|python_tag|>{CODE}"),
    said(
        "Llama `<|python_tag|>`, Python that speaks of it",
        f"<|python_tag|>{MARKS}<|eom_id|>",
        codes=(MARKS,),
    ),
    said("Llama `<function=…>`", f"<function=code_interpreter>{ARGUMENTS}</function>"),
    said("LM Studio `[TOOL_REQUEST]`", f"[TOOL_REQUEST]{CALL}[END_TOOL_REQUEST]"),
    said(
        "DeepSeek's marks",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>code_interpreter\n"
        f"```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    said(
        "DeepSeek V3.1's marks, two calls",
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>code_interpreter<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>"
        '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Haifa"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        calls=HAIFA,
    ),
    said(
        "Kimi's marks, two calls",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.code_interpreter:0<|tool_call_argument_begin|>"
        f"{ARGUMENTS}<|tool_call_end|><|tool_call_begin|>functions.weather:1<|tool_call_argument_begin|>"
        '{"city": "Haifa"}<|tool_call_end|><|tool_calls_section_end|>',
        calls=HAIFA,
    ),
    said(
        "Kimi's marks, arguments encoded twice",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.code_interpreter:0<|tool_call_argument_begin|>"
        f"{json.dumps(ARGUMENTS)}<|tool_call_end|><|tool_calls_section_end|>",
    ),
    said(
        "LFM2's marks, as Python's calls",
        f"<|tool_call_start|>[python(code={CODE!r}), weather(city='Haifa')]<|tool_call_end|>",
        calls=HAIFA,
    ),
    said("LFM2's marks, a line break in a string", f"<|tool_call_start|>[python(code={BROKEN})]<|tool_call_end|>"),
    said(
        "Llama 4 `<|python_start|>`",
        "<|python_start|>[weather(city='Haifa')]<|python_end|>",
        codes=(),
        calls=HAIFA,
    ),
    said("a list as Python's", f"[code_interpreter(code={CODE!r}), weather(city='Haifa')]", calls=HAIFA),
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
    Shape("bare JSON of arguments alone", [Says(ARGUMENTS), Says("I have no tool.")]),
    said("bare JSON, two calls on two lines", f"{CALL}\n{CALL}", codes=(CODE, CODE)),
    said("bare JSON, code in long quotes", f'{{"name": "python", "arguments": {{"code": """\n{CODE}\n"""}}}}'),
    said("bare JSON, as the hosted service has it", json.dumps({"type": "function", "function": json.loads(CALL)})),
    said("bare JSON after a sentence", f"I will compute it.\n{CALL}", text="I will compute it."),
    said("fenced JSON", f"```json\n{json.dumps(json.loads(CALL), indent=2)}\n```"),
    said("fenced JSON after a sentence", f"I will compute it.\n\n```\n{CALL}\n```\n", text="I will compute it."),
]
