"""Sends one trace through a stock exporter for Zipkin or Jaeger; prints its id.

Runs with the SDK of its exporter: those for Jaeger ended with 1.21.
"""

import argparse
import json

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags


def exporter(name: str, endpoint: str):
    if name == "zipkin-json":
        from opentelemetry.exporter.zipkin.json import ZipkinExporter

        return ZipkinExporter(endpoint=endpoint)
    if name == "zipkin-proto":
        from opentelemetry.exporter.zipkin.proto.http import ZipkinExporter

        return ZipkinExporter(endpoint=endpoint)
    if name == "jaeger-thrift":
        from opentelemetry.exporter.jaeger.thrift import JaegerExporter

        return JaegerExporter(collector_endpoint=endpoint)
    from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter

    return JaegerExporter(collector_endpoint=endpoint, insecure=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exporter", choices=["zipkin-json", "zipkin-proto", "jaeger-thrift", "jaeger-grpc"], required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--service", required=True)
    args = parser.parse_args()

    resource = Resource.create({"service.name": args.service, "service.version": "3.2.1"})
    provider = TracerProvider(resource=resource)
    # The exporters for Jaeger take the service's name from the global provider.
    trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter(args.exporter, args.endpoint)))
    tracer = trace.get_tracer("e2e-python", "0.9")

    attributes = {"text": 'hällo "quoted"', "truth": True, "int": 42, "double": 0.5}
    root = tracer.start_span("root", kind=SpanKind.SERVER, attributes=attributes)
    in_root = trace.set_span_in_context(root)
    other = SpanContext(0x1234_5678_9ABC_DEF0_1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210, True, TraceFlags(1))
    failed = tracer.start_span("failed", context=in_root, kind=SpanKind.CLIENT, links=[Link(other)])
    failed.add_event("retry", {"attempt": 2})
    failed.set_status(Status(StatusCode.ERROR, "no such customer"))
    failed.end()
    fine = tracer.start_span("fine", context=in_root, kind=SpanKind.PRODUCER)
    fine.set_status(Status(StatusCode.OK))
    fine.end()
    root.end()

    provider.shutdown()
    print(json.dumps({"traceId": f"{root.get_span_context().trace_id:032x}"}))


if __name__ == "__main__":
    main()
