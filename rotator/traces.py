"""Traces by OpenTelemetry, where its own environment (`OTEL_…`) asks for them and `rotator[otel]` is installed; off else, and free.

One trace a rotation, over all its runs on all its workers: its id is made of the rotation's. A run is a span; its steps, and the calls of
SDKs to Azure, are spans inside. Whatever leaves passes the scrubber: a key is in no span. A collector that is away is nobody's trouble.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rotator import telemetry
from rotator.telemetry import IDENTIFIERS, logged, scrub

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ASKS = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
LAST_WORDS_MS = 3_000
TOLD = ("credential", "slot", "reason", "operation", "outcome", "fault", "because", "seen", "dependent", "version")
"""Fields of a step's events that its span carries."""

_step: ContextVar[tuple[Any, Any] | None] = ContextVar("step", default=None)


@contextlib.contextmanager
def tracing(environment: Mapping[str, str] = os.environ) -> Iterator[bool]:
    """For as long as this lasts, what `telemetry.story` and `traced` see is traced; whether anybody asked for that."""
    if not is_asked_for(environment):
        yield False
        return
    try:
        provider = _provider(_exporter(environment))
    except (ModuleNotFoundError, ValueError) as missing:
        logged("traces_off", because=str(missing), remedy="pip install 'rotator[otel]'; OTLP is spoken as http/protobuf")
        yield False
        return
    telemetry.around_stories(_run)
    try:
        yield True
    finally:
        telemetry.around_stories(None)
        provider.force_flush(LAST_WORDS_MS)
        provider.shutdown()


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """By the environment variables that OpenTelemetry itself defines."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not off and any(environment.get(name) for name in ASKS)


class Traced:
    """Fulfils `Watch` beside another one: a step that begins is a span, until what came of it is said."""

    def __init__(self, watch: Any) -> None:
        self._watch = watch

    def __call__(self, event: str, **fields: Any) -> None:
        self._watch(event, **fields)
        if event == "step":
            _begin(fields)
        elif event in ("done", "failed"):
            _end(fields, failed=event == "failed")


# --- spans ----------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _run(**fields: str) -> Iterator[None]:
    from opentelemetry import context, trace

    tracer = trace.get_tracer("rotator")
    with tracer.start_as_current_span("run", context=context.Context(), attributes=_plain(fields), record_exception=False):
        try:
            yield
        finally:
            _end({"outcome": "cut off"}, failed=True)


def _begin(fields: Mapping[str, Any]) -> None:
    from opentelemetry import context, trace

    span = trace.get_tracer("rotator").start_span(str(fields["step"]), attributes=_plain(fields))
    _step.set((span, context.attach(trace.set_span_in_context(span))))


def _end(fields: Mapping[str, Any], *, failed: bool) -> None:
    from opentelemetry import context
    from opentelemetry.trace import StatusCode

    held = _step.get()
    if held is None:
        return
    span, token = held
    _step.set(None)
    span.set_attributes(_plain(fields))
    if failed:
        span.set_status(StatusCode.ERROR)
    context.detach(token)
    span.end()


def _plain(fields: Mapping[str, Any]) -> dict[str, str]:
    told = {name: value for name, value in fields.items() if value is not None and (name in TOLD or name == "rotation")}
    return {f"rotator.{name}": scrub(str(value), identifier=name in IDENTIFIERS) for name, value in told.items()}


# --- OpenTelemetry's own --------------------------------------------------------------------------------------------------------


def _exporter(environment: Mapping[str, str]) -> "SpanExporter":
    """Raises ValueError for what is not spoken, ModuleNotFoundError without the extra."""
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ValueError(f"OTLP is not spoken here as {protocol}")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _provider(exporter: "SpanExporter") -> Any:
    from azure.core.settings import settings
    from azure.core.tracing.ext.opentelemetry_span import OpenTelemetrySpan
    from opentelemetry import trace
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(id_generator=_ids(), resource=Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "rotator")}))
    provider.add_span_processor(BatchSpanProcessor(_scrubbing(exporter)))
    trace.set_tracer_provider(provider)
    settings.tracing_implementation = OpenTelemetrySpan
    return provider


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class OfRotation(RandomIdGenerator):
        """Whatever begins a trace inside a rotation's story continues the trace of that rotation."""

        def generate_trace_id(self) -> int:
            rotation = telemetry.told("rotation")
            return trace_id(rotation) if rotation else super().generate_trace_id()

    return OfRotation()


def trace_id(rotation: str) -> int:
    """The same on every worker, and never nothing."""
    return int.from_bytes(hashlib.sha256(f"rotator-trace:{rotation}".encode()).digest()[:16]) | 1


def _scrubbing(exporter: "SpanExporter") -> "SpanExporter":
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Status

    def clean(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            name: scrub(value, identifier=_is_id(name)) if isinstance(value, str) else value for name, value in (attributes or {}).items()
        }

    def cleaned(span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=scrub(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=clean(span.attributes),
            events=[Event(one.name, clean(one.attributes), one.timestamp) for one in span.events],
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code, scrub(span.status.description) if span.status.description else None),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    class Scrubbing(SpanExporter):
        """The last net, as for the log."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return exporter.export([cleaned(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = LAST_WORDS_MS) -> bool:
            return exporter.force_flush(timeout_millis)

    return Scrubbing()


def _is_id(name: str) -> bool:
    """Ids of ours and Azure's have the shape of a legacy key, and so has a vault's version in a URL."""
    return name.rpartition(".")[2] in IDENTIFIERS or name.startswith("az.") or name in ("url.full", "http.url")
