"""OpenTelemetry's spans and metrics of a run over HTTP, with real kernels, in the SDK's memory and over OTLP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from kernelci.protocol.objects import Usage
from kernelci.telemetry.facts import Replied, RunEnded, RunMade, RunStarted, Whose
from kernelci.telemetry.spans import Spans
from tests.cli.conftest import LISTENING
from tests.telemetry.conftest import Client, served
from tests.upstream import Body, Fails, Reply, Runs, Says, Upstream

SAID, INSTRUCTED, CODED, PRINTED = "said-Yw3", "instructed-Pz8", "coded_Lk5", "printed_Gd2"


@dataclass
class Memory:
    """What this process's providers have been given."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    def points(self) -> dict[str, list[HistogramDataPoint]]:
        """The metrics' data points, by the metric's name."""
        data = self.reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def memory() -> Memory:
    """The providers of a program that embeds a server: a process has them once."""
    memory = Memory(InMemorySpanExporter(), InMemoryMetricReader())
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory.spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([memory.reader]))
    return memory


def told(body: Body) -> Reply | Fails:
    replies = sum(message["role"] == "assistant" for message in body["messages"])
    if replies == 2:
        return Says("42") if body["model"] == "m" else Fails(503)
    return Says(SAID) + Runs(f"{CODED} = print('{PRINTED}')" + ("; 1/0" if replies else ""))


def test_a_run_is_a_trace_by_the_conventions(tmp_path: Path, memory: Memory) -> None:
    with Upstream(told) as upstream, served(tmp_path, None, otel=True, model_url=upstream.url) as client:
        stream = client.run(words=INSTRUCTED)
        assert "event: thread.run.completed" in stream
        assert "event: thread.run.failed" in client.run(words=INSTRUCTED, model="bad")
    spans = memory.spans.get_finished_spans()
    assert SAID in stream
    assert CODED in stream
    written = str([span.to_json() for span in spans])
    assert not [text for text in (SAID, INSTRUCTED, CODED, PRINTED) if text in written]

    runs = [span for span in spans if span.name == "invoke_agent"]
    assert len(runs) == 2
    run, failed = runs
    assert run.attributes
    assert run.parent is None
    assert run.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert str(run.attributes["gen_ai.agent.id"]).startswith("asst_")
    assert run.attributes["kernelci.run.status"] == "completed"
    assert run.attributes["kernelci.run.turns"] == 3
    assert run.attributes["gen_ai.usage.input_tokens"] == 30
    assert run.status.status_code == StatusCode.UNSET

    chats, cells = below(spans, run, "chat m"), below(spans, run, "execute_tool code_interpreter")
    assert (len(chats), len(cells)) == (3, 2)
    for chat in chats:
        assert chat.kind == trace.SpanKind.CLIENT
        assert chat.attributes
        assert chat.attributes["gen_ai.request.model"] == "m"
        assert chat.attributes["gen_ai.conversation.id"] == run.attributes["gen_ai.conversation.id"]
        assert chat.attributes["gen_ai.usage.output_tokens"] == 5
        assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert [cell.status.status_code for cell in cells] == [StatusCode.UNSET, StatusCode.ERROR]
    assert cells[1].attributes
    assert cells[1].attributes["error.type"] == "error"
    for child in (*chats, *cells):
        assert run.start_time
        assert run.end_time
        assert run.start_time <= (child.start_time or 0) <= (child.end_time or 0) <= run.end_time

    assert failed.attributes
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "server_error")
    assert below(spans, failed, "chat bad")[-1].attributes["error.type"] == "ModelUnavailable"  # type: ignore[index]
    assert below(spans, failed, "chat bad")[-1].status.status_code == StatusCode.ERROR
    points = memory.points()
    assert {name: sum(point.count for point in points[name]) for name in sorted(points)} == {
        "gen_ai.client.operation.duration": 6,
        "gen_ai.client.token.usage": 10,
        "gen_ai.execute_tool.duration": 4,
        "gen_ai.invoke_agent.duration": 2,
    }


def test_a_run_belongs_to_the_request_that_made_it(memory: Memory) -> None:
    spans = Spans(trace.get_tracer_provider(), metrics.get_meter_provider())
    whose = Whose("run_1", "thread_1", "asst_1", "m")
    memory.spans.clear()
    with trace.get_tracer("of a web framework").start_as_current_span("POST /v1/threads/{thread_id}/runs"):
        spans(RunMade(whose))
    with trace.get_tracer("of another request").start_as_current_span("GET /v1/threads/{thread_id}/runs"):
        spans(RunStarted(whose, 0.1))
        spans(Replied(whose, "m", 1.0))
        spans(RunEnded(whose, "completed", None, 1, Usage(), 2.0))
    spans_by_name = {span.name: span for span in memory.spans.get_finished_spans()}
    run, reply = spans_by_name["invoke_agent"], spans_by_name["chat m"]
    assert run.parent == spans_by_name["POST /v1/threads/{thread_id}/runs"].context
    assert reply.parent == run.context


def below(spans: tuple[ReadableSpan, ...], parent: ReadableSpan, name: str) -> list[ReadableSpan]:
    """The spans of that name in another, in their order."""
    assert parent.context
    inside = [each for each in spans if each.parent and each.parent.span_id == parent.context.span_id]
    return [each for each in inside if each.name == name]


@pytest.fixture
def collector() -> Generator[tuple[str, dict[str, list[bytes]]]]:
    """An OTLP collector's address, and what it has been sent, by path."""
    sent: dict[str, list[bytes]] = {}

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


def test_the_last_of_it_is_sent_when_the_server_stops(
    tmp_path: Path, collector: tuple[str, dict[str, list[bytes]]]
) -> None:
    address, sent = collector
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    argv = [str(Path(sys.executable).parent / "kernelci"), "serve", "--otel", "--port", "0"]
    with (
        Upstream([Says("Hello.")]) as upstream,
        subprocess.Popen(
            [*argv, "--model-url", upstream.url],
            env={**os.environ, **variables, "KERNELCI_DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout
        url = process.stdout.readline().removeprefix(LISTENING).strip()
        with Client.at(url) as client:
            assert "event: thread.run.completed" in client.run()
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=60)
        assert process.returncode == 0, logged
    names = [
        span.name
        for body in sent["/v1/traces"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(names) == ["chat m", "invoke_agent"]
    assert b"gen_ai.invoke_agent.duration" in b"".join(sent["/v1/metrics"])
    assert "level=error" not in logged


def test_without_its_packages_it_says_what_is_needed_and_costs_nothing(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from kernelci.cli import main\n"
        "sys.argv = ['kernelci', 'serve', '--otel', '--port', '0', '--data-dir', sys.argv[1]]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "kernelci: --otel needs packages that are not there (opentelemetry" in done.stderr
    quiet = "import sys, kernelci.server; assert not [each for each in sys.modules if 'opentelemetry' in each]"
    subprocess.run([sys.executable, "-c", quiet], timeout=60, check=True)
