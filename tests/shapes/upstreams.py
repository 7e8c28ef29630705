"""What each server of models is documented or reported to stream, and how to start with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.shapes.replies import (
    ARGUMENTS,
    CALL,
    EXPLAINED,
    FENCED,
    called,
    cut,
    piece,
    said,
    shape,
    thought,
    whole,
)
from tests.shapes.shape import CODE, Shape
from tests.upstream import Chunks, Fails, Says, call_chunk, finish_chunk, text_chunk, usage_chunk


@dataclass(frozen=True)
class Server:
    """A server of models: how to start with it, and the shapes it streams, each with who says so."""

    name: str
    start: str
    shapes: Sequence[tuple[str, Shape]]


def refusing(status: int, message: str, name: str) -> Shape:
    """A model, or a server as it was started, that takes no tools."""
    body = {"error": {"message": message, "type": "api_error", "code": status}}
    return Shape(name, [Fails(status, body), Says(f"Let me compute.\n{FENCED}")], text="Let me compute.")


FILTERED = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
FIRST_OF_AZURE = {
    "id": "",
    "choices": [],
    "created": 0,
    "model": "",
    "object": "",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERED}],
}
LATER_OF_AZURE = {
    "id": "",
    "choices": [
        {
            "index": 0,
            "finish_reason": None,
            "content_filter_results": FILTERED,
            "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 59},
        }
    ],
}
IN_PIECES = (
    piece("", "code_interpreter", index=0, id="call_1", type="function"),
    *(piece(part, index=0) for part in cut(ARGUMENTS)),
)

OLLAMA = Server(
    "Ollama",
    "kernelci serve --model-url http://127.0.0.1:11434/v1 --model qwen3",
    [
        ("ollama/ollama#11633", called("a call whole in one delta", whole(type="function"))),
        ("ollama/ollama#7881", called("a call without index", piece(ARGUMENTS, "code_interpreter", id="call_1"))),
        (
            "ollama/ollama#15457",
            called("several calls of index 0", whole(), {**whole(), "id": "b"}, codes=(CODE, CODE)),
        ),
        ("ollama/ollama#12174", said("a call as bare JSON", CALL)),
        ("ollama/ollama#6027", refusing(400, "stablelm2:latest does not support tools", "tools refused")),
        (
            "dirac-run/dirac#227",
            shape(
                "thoughts as `reasoning`",
                thought(role="assistant", content="", reasoning="We"),
                call_chunk(whole()),
            ),
        ),
    ],
)

LLAMA_CPP = Server(
    "llama.cpp",
    "kernelci serve --model-url http://127.0.0.1:8080/v1 --model any",
    [
        ("ggml-org/llama.cpp#28261", called("a call in pieces, named once", *IN_PIECES)),
        (
            "ggml-org/llama.cpp#12379",
            shape(
                "thoughts as `reasoning_content`",
                thought(reasoning_content="Hm"),
                call_chunk(*IN_PIECES[:1]),
                *map(call_chunk, IN_PIECES[1:]),
            ),
        ),
        (
            "ggml-org/llama.cpp#11607",
            said("thoughts as `<think>`", "<think>\nHm.\n</think>\n\nSix.", codes=(), text="Six."),
        ),
        (
            "ggml-org/llama.cpp#27778",
            said("a call as text, where the template knows no tools", f"<tool_call>\n{CALL}\n</tool_call>"),
        ),
        ("containers/ramalama#988", refusing(500, "tools param requires --jinja flag", "tools refused")),
        ("ggml-org/llama.cpp#10920", refusing(500, "Unsupported param: tools", "tools refused, older")),
    ],
)

VLLM = Server(
    "vLLM",
    "kernelci serve --model-url http://127.0.0.1:8000/v1 --model Qwen/Qwen3-8B",
    [
        (
            "vllm-project/vllm#9693",
            called(
                "a name first, without arguments",
                piece(None, "code_interpreter", index=0, id="chatcmpl-tool-1"),
                *IN_PIECES[1:],
            ),
        ),
        (
            "vllm-project/vllm#27752",
            shape("thoughts as `reasoning`", thought(reasoning="Hm"), *map(call_chunk, IN_PIECES)),
        ),
        (
            "vllm-project/vllm#32587",
            called("control words in a name", whole(name="code_interpreter<|channel|>commentary")),
        ),
        (
            "vllm-project/vllm#9986",
            refusing(
                400,
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "tools refused",
            ),
        ),
        (
            "QwenLM/Qwen3-Coder#180",
            said("a call that its parser left in the text", f"<tool_call>\n{CALL}\n</tool_call>"),
        ),
    ],
)

LM_STUDIO = Server(
    "LM Studio",
    "kernelci serve --model-url http://127.0.0.1:1234/v1 --model qwen/qwen3-4b",
    [
        (
            "lmstudio-ai/lmstudio-bug-tracker#649",
            called(
                "empty names in later pieces",
                *IN_PIECES[:1],
                *(piece(part, "", index=0, type="function") for part in cut(ARGUMENTS)),
            ),
        ),
        (
            "lmstudio-ai/lmstudio-bug-tracker#830",
            called("a second call that is empty", *IN_PIECES, {"index": 1, "id": "", "type": "function"}),
        ),
        (
            "lmstudio-ai/lmstudio-bug-tracker#1318",
            shape("an empty list of calls", thought(content="Six.", tool_calls=[]), codes=(), text="Six."),
        ),
        (
            "lmstudio-ai/lmstudio-bug-tracker#723",
            shape(
                "thoughts as `<think>` before calls",
                *map(text_chunk, ("<think>", "\n\n", "</think>", "\n\n")),
                call_chunk(whole()),
            ),
        ),
        (
            "lmstudio.ai/docs/advanced/tool-use",
            said("its own format as text", f"[TOOL_REQUEST]{CALL}[END_TOOL_REQUEST]"),
        ),
    ],
)

OPENAI = Server(
    "OpenAI",
    "OPENAI_API_KEY=… kernelci serve --model gpt-5",
    [
        ("platform.openai.com/docs/guides/function-calling", called("a call in pieces", *IN_PIECES)),
        (
            "platform.openai.com/docs/guides/function-calling",
            called(
                "parallel calls",
                *IN_PIECES,
                *({**each, "index": 1, "id": each.get("id") and "call_2"} for each in IN_PIECES),
                codes=(CODE, CODE),
            ),
        ),
        (
            "platform.openai.com/docs/api-reference/chat-streaming",
            Shape(
                "the count in an event without choices",
                [
                    Chunks(
                        [
                            {**text_chunk("Six."), "usage": None, "obfuscation": "x"},
                            finish_chunk(),
                            usage_chunk(9, 2),
                        ]
                    )
                ],
                codes=(),
                text="Six.",
                estimated=False,
            ),
        ),
        (
            "platform.openai.com/docs/api-reference/chat-streaming",
            shape("a refusal", thought(content=None, refusal="No."), codes=(), text="No."),
        ),
        ("", Shape("code that is shown, and not run", [Says(EXPLAINED)], codes=(), text=EXPLAINED)),
    ],
)

AZURE = Server(
    "Azure OpenAI",
    "kernelci serve --model-url https://YOURS.openai.azure.com/openai/v1 --model DEPLOYMENT --model-key …",
    [
        (
            "AbanteAI/archive-old-cli-mentat#429",
            shape("a first event without choices", FIRST_OF_AZURE, *map(call_chunk, IN_PIECES)),
        ),
        (
            "langchain-ai/langchain#18977",
            shape("filter results without a delta", text_chunk("Six."), LATER_OF_AZURE, codes=(), text="Six."),
        ),
        (
            "microsoft/autogen#6465",
            Shape(
                "filter results after the end",
                [Chunks([text_chunk("Six."), finish_chunk(), LATER_OF_AZURE])],
                codes=(),
                text="Six.",
            ),
        ),
        (
            "",
            Shape(
                "no `stream_options` in older versions",
                [
                    Fails(400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
                    Says("Six.", usage=None),
                ],
                codes=(),
                text="Six.",
                estimated=True,
            ),
        ),
    ],
)

ANTHROPIC = Server(
    "Anthropic, or a gateway to it",
    "kernelci serve --model-url https://api.anthropic.com/v1 --model claude-sonnet-4-5 --model-key …",
    [
        (
            "BerriAI/litellm#5025",
            shape(
                "text, then a call of index 1",
                text_chunk("Let me compute."),
                *(call_chunk({**each, "index": 1}) for each in IN_PIECES),
                text="Let me compute.",
            ),
        ),
        (
            "BerriAI/litellm#5231",
            called(
                "several calls of one index",
                *IN_PIECES,
                *({**each, "id": each.get("id") and "toolu_2"} for each in IN_PIECES),
                codes=(CODE, CODE),
            ),
        ),
        ("BerriAI/litellm#4495", called("a call whole in one delta", whole())),
        (
            "docs.claude.com/en/api/openai-sdk",
            Shape(
                "the count with the last event",
                [
                    Chunks(
                        [
                            text_chunk("Six."),
                            {**finish_chunk(), "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
                        ]
                    )
                ],
                codes=(),
                text="Six.",
                estimated=False,
            ),
        ),
    ],
)

THOUGHT = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 911}

GEMINI = Server(
    "Gemini, or a gateway to it",
    "kernelci serve --model-url https://generativelanguage.googleapis.com/v1beta/openai --model gemini-2.5-pro …",
    [
        (
            "su-kaka/gcli2api#406",
            called(
                "several calls of index 0 without ids",
                *({**whole(), "id": ""} for _ in range(2)),
                codes=(CODE, CODE),
            ),
        ),
        (
            "mozilla-ai/any-llm#1290",
            Shape(
                "thoughts in the total alone",
                [Chunks([text_chunk("Six."), finish_chunk(), {"choices": [], "usage": THOUGHT}])],
                codes=(),
                text="Six.",
                estimated=False,
            ),
        ),
    ],
)

SERVERS = (OLLAMA, LLAMA_CPP, VLLM, LM_STUDIO, OPENAI, AZURE, ANTHROPIC, GEMINI)
