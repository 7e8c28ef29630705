"""Calls that a model wrote into its text in the words of the template it was trained with: a mark says where.

Each call is read from its mark on as far as it goes, and the next mark is looked for only behind it: code may speak
of marks. Only what cannot be read so is split at marks and at the tags that close them.
"""

from __future__ import annotations

import re
from itertools import islice

from kernelci.models.arguments import loose_json, value_at
from kernelci.models.pythonic import PYTHONIC, begins_as_python, pythonic_calls
from kernelci.models.tagged import tagged_calls
from kernelci.models.written import WrittenCall, calls_of, code_call, json_calls

MARKS = (
    "<tool_call>",  # Hermes, Qwen, GLM
    "<tool_calls>",
    "<function_call>",
    "<function_calls>",  # Claude
    "<function=",  # Llama 3.1, Qwen Coder
    "<invoke name=",
    "<minimax:tool_call>",
    "<TOOLCALL>",  # Nemotron
    "<|tool_call|>",  # Granite, Phi
    "<|tool_call_start|>",  # LFM2
    "<|tool_calls_section_begin|>",  # Kimi
    "<|tool_call_section_begin|>",
    "<|tool_call_begin|>",
    "[TOOL_CALLS]",  # Mistral
    "[TOOL_REQUEST]",  # LM Studio, for models without a template for tools
    "<|python_tag|>",  # Llama
    "<|python_start|>",  # Llama 4
    "<｜tool▁calls▁begin｜>",  # DeepSeek
    "<｜tool▁call▁begin｜>",
)
"""How such a call begins."""

_LONGEST_MARK = max(map(len, MARKS))
_TAGS = ("<function=", "<invoke name=")
_PYTHON = ("<|python_tag|>", "<|python_start|>")

_MARK = re.compile("|".join(map(re.escape, MARKS)))
_CLOSED = re.compile(
    r"</tool_calls?>|</function_calls?>|</function>|</invoke>|</minimax:tool_call>|</TOOLCALL>"
    r"|<\|/?tool_call(?:_end)?\|>|<\|tool_calls?_section_end\|>|\[/TOOL_CALLS\]|\[END_TOOL_REQUEST\]"
    r"|<｜tool▁calls?▁end｜>|<\|python_end\|>"
)
_TURN_ENDED = r"<\|eo[mt]_id\|>|<\|im_end\|>"
_CODE_ENDED = re.compile(rf"""(?:{_TURN_ENDED}|<\|python_end\|>)(?!["'`\\])""")  # in a string, a quote follows
_CONTROL = re.compile(rf"{_MARK.pattern}|{_CLOSED.pattern}|{_TURN_ENDED}|</s>")
"""Control words, which are no part of what a model says."""

_BOUNDARY = re.compile(rf"{_MARK.pattern}|{_CLOSED.pattern}|{_TURN_ENDED}")
_PAST_CLOSED = re.compile(rf"(?:\s*(?:{_CLOSED.pattern}))*")
_MOST_TRIED = 8  # ends of one Pythonic call
_MOST_IN_VAIN = 16  # marks of one text that begin no call: some models, once lost, write nothing else

_NAMED = re.compile(
    r"\s*+(?:function<｜tool▁sep｜>)?(?P<name>[\w.:/-]{1,256}?)(?::\d++)?\s*+"
    r"(?:(?:\[CALL_ID\]\w*)?(?:\[ARGS\]|<｜tool▁sep｜>)?\s*+(?:```(?:json)?\s*+)?(?=\{)"
    r"|<\|tool_call_argument_begin\|>\s*+)"
)
"""A name before the arguments: Mistral, DeepSeek, Kimi (which numbers the calls, as in `f:0`).

None of its spaces is given back: a model can write line breaks without end, and two neighbours would share them out
in every way there is.
"""

_FENCE_END = re.compile(r"\s*```")


def marked_calls(text: str) -> tuple[list[WrittenCall], str]:
    """The calls in a text that begins with one of MARKS, and what the model said between and after them.

    Nothing is found where what follows the mark cannot be a call.
    """
    calls: list[WrittenCall] = []
    words: list[str] = []
    at = in_vain = 0
    while in_vain < _MOST_IN_VAIN and (mark := _MARK.search(text, at)):
        words.append(_behind_closed(text[at : mark.start()]))
        found, at = _calls_at(text, mark)
        calls += found
        if not found:
            in_vain += 1
            words.append(text[mark.start() : at])
    words.append(_behind_closed(text[at:]))
    return calls, _CONTROL.sub("", "".join(words)) if calls else ""


def mark_in(line: str) -> int:
    """Where the first mark begins, or may begin at the line's end; the line's length if nowhere."""
    if found := _MARK.search(line):
        return found.start()
    for at in range(max(0, len(line) - _LONGEST_MARK), len(line)):
        if line[at] in "<[" and any(mark.startswith(line[at:]) for mark in MARKS):
            return at
    return len(line)


def _calls_at(text: str, mark: re.Match[str]) -> tuple[list[WrittenCall], int]:
    """The calls at a mark, and where to look for the next."""
    start = mark.start() if mark[0] in _TAGS else mark.end()
    found, end = json_calls(text, start, calls_of)
    for read in (tagged_calls, _named, _pythonic):
        if not found:
            found, end = read(text, start)
    if not found and mark[0] in _PYTHON:
        found, end = _python(text, start)
    if not found:
        return _loosely(text, mark.end())
    closed = _PAST_CLOSED.match(text, end)
    return found, closed.end() if closed else end


def _named(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """A name and JSON."""
    named = _NAMED.match(text, at)
    if named is None:
        return [], at
    decoded = value_at(text, named.end())
    if decoded is None:
        return [], at
    value, end = decoded
    closed = _FENCE_END.match(text, end)
    arguments = value if isinstance(value, str) else text[named.end() : end]
    return [WrittenCall(named["name"], arguments)], closed.end() if closed else end


def _pythonic(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """A list of calls as Python's: to the first end at which it is one."""
    if not PYTHONIC.match(text, at):
        return [], at
    ends = [each.start() for each in islice(_BOUNDARY.finditer(text, at), _MOST_TRIED)]
    for end in ends if len(ends) == _MOST_TRIED else (*ends, len(text)):
        if calls := pythonic_calls(text[at:end]):
            return calls, end
    return [], at


def _python(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """Code as it is, unless Python is at a loss in its first line: then the mark was only spoken of."""
    ended = _CODE_ENDED.search(text, at)
    code = text[at : ended.start() if ended else len(text)].strip("\n")
    end = ended.end() if ended else len(text)
    return [code_call(code)] if code.strip() and begins_as_python(code) else [], end


def _loosely(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """What cannot be read as it should: up to the first mark or tag that can be no part of the call, repaired."""
    end = len(text)
    for boundary in _BOUNDARY.finditer(text, at):
        alone = _stands_alone(text, boundary.start())
        if alone or _CLOSED.match(boundary[0]):
            end = boundary.start()
        if alone:
            break
    body = text[at:end]
    if named := _NAMED.match(body):
        found = [WrittenCall(named["name"], body[named.end() :].strip())]
    else:
        found = calls_of(loose_json(body)) if "{" in body else []
    if not found:
        return [], end if body.strip() else at
    closed = _PAST_CLOSED.match(text, end)
    return found, closed.end() if closed else end


def _stands_alone(text: str, at: int) -> bool:
    """Whether a tag begins a line, or follows a bracket or another tag: in a call's code, something else would."""
    before = text[max(0, at - _LONGEST_MARK) : at].rstrip(" \t")
    return not before or before[-1] in "\n}]>"


def _behind_closed(words: str) -> str:
    """Some models write a call's end twice, and the call before it."""
    closed = list(_CLOSED.finditer(words))
    return words[closed[-1].end() :] if closed else words
