"""Where OpenTelemetry's spans and metrics go: to the providers of the program that embeds this one, or that has
started it (`opentelemetry-instrument`), or else over OTLP to wherever the usual `OTEL_*` variables say.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio import to_thread
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from kernelci import __version__
from kernelci.telemetry.facts import Observer
from kernelci.telemetry.spans import Spans

_PATIENCE = 3.0
"""Seconds for the last of it to get out when the server stops."""


@asynccontextmanager
async def exporting() -> AsyncGenerator[Observer]:
    """The observer whose spans and metrics go out; at the end, what is left of them is sent."""
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield Spans(trace.get_tracer_provider(), metrics.get_meter_provider())
        return
    said = OTELResourceDetector().detect().attributes
    resource = Resource.create({"service.name": "kernelci", "service.version": __version__, **said})
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource, shutdown_on_exit=False
    )
    try:
        yield Spans(traces, meters)
    finally:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as sending:
                for shut_down in (traces.shutdown, partial(meters.shutdown, _PATIENCE * 1000)):
                    sending.start_soon(to_thread.run_sync, shut_down)
