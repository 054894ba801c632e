"""Traces, as a collector on loopback gets them from a process of rotator's: one a rotation, steps and Azure's calls inside, and no key."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rotator.traces import is_asked_for, trace_id
from tests.sandbox.conftest import Estate


class Collector:
    """Takes what OTLP sends, as it came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        asked = (ExportTraceServiceRequest.FromString(body) for body in self.bodies)
        return [span for one in asked for resource in one.resource_spans for scope in resource.scope_spans for span in scope.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def run(estate: Estate, environment: dict[str, str]) -> str:
    process = estate.start("rotate", estate.names[0], "--now", "--no-wait", environment={"OTEL_BSP_SCHEDULE_DELAY": "100", **environment})
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return str(said)


def test_a_rotation_is_one_trace_with_its_steps_and_the_calls_inside_them(estate: Estate, collector: Collector) -> None:
    run(estate, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    spans = collector.spans()
    runs = [span for span in spans if span.name == "run"]
    assert len(runs) == 1
    rotation = {attribute.key: attribute.value.string_value for attribute in runs[0].attributes}["rotator.rotation"]
    traced = [span for span in spans if span.trace_id == trace_id(rotation).to_bytes(16)]
    steps = {span.name: span for span in traced if span.parent_span_id == runs[0].span_id and "." not in span.name}
    assert {"mint", "prove", "publish"} <= set(steps)
    below = {span.name for span in traced if span.parent_span_id == steps["mint"].span_id}
    assert any("regenerate_key" in name for name in below), below
    kept = b"".join(collector.bodies)
    assert not [key for key in estate.azure.keys_ever if key.value.encode() in kept], "a key in a span"


def test_a_collector_that_is_away_is_nobodys_trouble(estate: Estate) -> None:
    run(estate, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})


def test_a_protocol_that_is_not_spoken_is_said_and_the_work_goes_on(estate: Estate, collector: Collector) -> None:
    process = estate.start(
        "rotate",
        estate.names[0],
        "--now",
        "--no-wait",
        "--log-level",
        "info",
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "OTLP is not spoken here as grpc" in said
    assert not collector.bodies


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "rotator"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
    ],
)
def test_only_the_environment_of_opentelemetry_asks_for_traces(environment: dict[str, str], asked: bool) -> None:
    assert is_asked_for(environment) is asked


def test_who_asks_for_none_pays_for_none() -> None:
    script = (
        "import sys; from rotator.traces import Traced, tracing\n"
        "with tracing({}) as traced: assert not traced\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
