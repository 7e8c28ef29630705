"""The facts as OpenTelemetry's spans and metrics, by its conventions for generative AI (gen_ai.*, in development).

A run is `invoke_agent`, a child of whatever span the request that made it is in; below it are `chat` for each of
the model's replies and `execute_tool` for each cell. Attributes are ids, numbers and names of models: no text, no
code. Only this file and otel.py know of OpenTelemetry, and are imported where it is asked for.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, set_span_in_context
from opentelemetry.util.types import AttributeValue

from kernelci import __version__
from kernelci.telemetry.facts import CellEnded, Fact, Replied, RunEnded, RunMade, RunStarted, Whose
from kernelci.telemetry.names import ModelNames

PROVIDER = "openai"
"""The form of API in which models are asked, wherever they are."""

_TOOL = {"gen_ai.tool.name": "code_interpreter", "gen_ai.tool.type": "extension"}

_OPERATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_AGENT = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_TOKENS = tuple(4**power for power in range(14))

_Attributes = dict[str, AttributeValue]


class Spans:
    """Makes the spans and metrics of one server, with these providers."""

    def __init__(self, traces: TracerProvider, metrics: MeterProvider) -> None:
        self._tracer = traces.get_tracer("kernelci", __version__)
        meter = metrics.get_meter("kernelci", __version__)
        self._chat = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", explicit_bucket_boundaries_advisory=_OPERATION
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", explicit_bucket_boundaries_advisory=_TOKENS
        )
        self._run = meter.create_histogram(
            "gen_ai.invoke_agent.duration", "s", explicit_bucket_boundaries_advisory=_AGENT
        )
        self._cell = meter.create_histogram(
            "gen_ai.execute_tool.duration", "s", explicit_bucket_boundaries_advisory=_OPERATION
        )
        self._models = ModelNames()
        self._asked_in: dict[str, Context] = {}
        self._going_on: dict[str, Span] = {}

    def __call__(self, fact: Fact) -> None:
        """Begin or end what it is the beginning or end of."""
        match fact:
            case RunMade():
                self._asked_in[fact.whose.run_id] = get_current()
            case RunStarted():
                self._run_started(fact)
            case RunEnded():
                self._run_ended(fact)
            case Replied():
                self._replied(fact)
            case CellEnded():
                self._cell_ended(fact)
            case _:
                pass  # requests have instrumentations of their own

    def _run_started(self, fact: RunStarted) -> None:
        whose = fact.whose
        about: _Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": whose.model,
            "gen_ai.agent.id": whose.assistant_id,
            "gen_ai.conversation.id": whose.thread_id,
            "kernelci.run.id": whose.run_id,
        }
        within = self._asked_in.pop(whose.run_id, Context())
        self._going_on[whose.run_id] = self._tracer.start_span(
            "invoke_agent", within, SpanKind.INTERNAL, attributes=about
        )

    def _run_ended(self, fact: RunEnded) -> None:
        self._asked_in.pop(fact.whose.run_id, None)
        span = self._going_on.pop(fact.whose.run_id, None)
        if span is None or fact.seconds is None:
            return
        span.set_attributes({"kernelci.run.status": fact.status, "kernelci.run.turns": fact.turns})
        if not fact.usage.estimated:
            span.set_attribute("gen_ai.usage.input_tokens", fact.usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", fact.usage.completion_tokens)
        failed = _failed(None if fact.status == "completed" else fact.error or fact.status)
        _end(span, failed)
        self._run.record(fact.seconds, failed)

    def _replied(self, fact: Replied) -> None:
        told: _Attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": PROVIDER}
        failed = _failed(fact.error)
        about = told | {"gen_ai.request.model": fact.model, "gen_ai.request.stream": True} | failed | _asked(fact)
        if fact.finish:
            about["gen_ai.response.finish_reasons"] = [fact.finish]
        model = self._models.label(fact.model, replied=fact.error is None)
        counted = told | {"gen_ai.request.model": model}
        if fact.usage and not fact.usage.estimated:
            about["gen_ai.usage.input_tokens"] = fact.usage.prompt_tokens
            about["gen_ai.usage.output_tokens"] = fact.usage.completion_tokens
            self._tokens.record(fact.usage.prompt_tokens, counted | {"gen_ai.token.type": "input"})
            self._tokens.record(fact.usage.completion_tokens, counted | {"gen_ai.token.type": "output"})
        self._past(f"chat {fact.model}", SpanKind.CLIENT, fact.whose, fact.seconds, about, failed)
        self._chat.record(fact.seconds, counted | failed)

    def _cell_ended(self, fact: CellEnded) -> None:
        failed = _failed(fact.error or (None if fact.status == "ok" else fact.status))
        about = {"gen_ai.operation.name": "execute_tool", **_TOOL, "kernelci.cell.waited": fact.waited, **failed}
        self._past("execute_tool code_interpreter", SpanKind.INTERNAL, fact.whose, fact.seconds, about, failed)
        self._cell.record(fact.seconds, {**_TOOL, **failed})

    def _past(
        self,
        name: str,
        kind: SpanKind,
        whose: Whose | None,
        seconds: float,
        about: _Attributes,
        failed: Mapping[str, AttributeValue],
    ) -> None:
        """A span of what has just ended, in its run's."""
        run = self._going_on.get(whose.run_id) if whose else None
        if whose:
            about = about | {"gen_ai.conversation.id": whose.thread_id}
        within = set_span_in_context(run, Context()) if run else Context()
        began = time.time_ns() - round(seconds * 1e9)
        _end(self._tracer.start_span(name, within, kind, attributes=about, start_time=began), failed)


def _asked(fact: Replied) -> _Attributes:
    """What the request set, in the conventions' terms."""
    asked = {"temperature": fact.temperature, "top_p": fact.top_p, "max_tokens": fact.max_tokens}
    return {f"gen_ai.request.{name}": value for name, value in asked.items() if value is not None}


def _failed(error: str | None) -> _Attributes:
    return {"error.type": error} if error else {}


def _end(span: Span, failed: Mapping[str, AttributeValue]) -> None:
    if failed:
        span.set_attributes(failed)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
