"""Sends one trace with everything a span can hold, through the stock SDK; prints its trace id.

The trace depends on nothing but the arguments, so that two protocols can be compared.
"""

import argparse
import json

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

EVERY_TYPE = {
    "text": "hällo \N{WOMAN}\u200d\N{ROCKET} \"quoted\" \\ \n",
    "text.empty": "",
    "truth": True,
    "lie": False,
    "int": 42,
    "int.max": 2**63 - 1,
    "int.min": -(2**63),
    "double": 0.1,
    "double.whole": 1.0,
    "double.huge": 1e300,
    "bytes": b"\x00\xff\x10",
    "texts": ["a", "b"],
    "truths": [True, False],
    "ints": [1, 2, 3],
    "doubles": [1.0, 2.5],
    "mixed": ["a", 1, 1.0, True, b"\x01", None],
    "nothing": None,
    "map": {"inner": {"deep": [1, {"deeper": "x"}]}, "n": 7},
}


def exporter(protocol: str, endpoint: str, gzip: bool):
    if protocol == "grpc":
        from grpc import Compression
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        compression = Compression.Gzip if gzip else Compression.NoCompression
        return OTLPSpanExporter(endpoint=endpoint, insecure=True, compression=compression)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    compression = Compression.Gzip if gzip else Compression.NoCompression
    return OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", compression=compression)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--start-ns", type=int, required=True)
    parser.add_argument("--gzip", action="store_true")
    args = parser.parse_args()

    resource = Resource.create({"service.name": args.service, "service.version": "3.2.1", "host.cpus": 2})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter(args.protocol, args.endpoint, args.gzip)))
    tracer = provider.get_tracer("e2e-python", "0.9", attributes={"scope.kind": "test"})

    start = args.start_ns
    other = SpanContext(
        trace_id=0x1234_5678_9ABC_DEF0_1234_5678_9ABC_DEF0,
        span_id=0xFEDC_BA98_7654_3210,
        is_remote=True,
        trace_flags=TraceFlags(1),
        trace_state=TraceState([("vendor", "x1")]),
    )
    root = tracer.start_span(
        "root",
        kind=SpanKind.CONSUMER,
        attributes=EVERY_TYPE,
        links=[Link(other, {"reason": "batch", "position": 3})],
        start_time=start,
    )
    in_root = trace.set_span_in_context(root)
    failed = tracer.start_span("failed", context=in_root, kind=SpanKind.CLIENT, start_time=start + 1_000_001)
    failed.add_event("retry", {"attempt": 2, "wait": 0.5}, timestamp=start + 1_500_000)
    try:
        raise ValueError("no such customer")
    except ValueError as error:
        failed.record_exception(error, timestamp=start + 1_750_003)
    failed.set_status(Status(StatusCode.ERROR, "no such customer"))
    failed.end(end_time=start + 2_000_000)
    fine = tracer.start_span("fine", context=in_root, kind=SpanKind.PRODUCER, start_time=start + 2_000_000)
    fine.set_status(Status(StatusCode.OK))
    fine.end(end_time=start + 2_000_000)
    root.end(end_time=start + 5_000_007)

    if not provider.force_flush():
        raise SystemExit("the exporter did not deliver in time")
    provider.shutdown()
    print(json.dumps({"traceId": f"{root.get_span_context().trace_id:032x}"}))


if __name__ == "__main__":
    main()
