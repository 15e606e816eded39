// Sends one trace through OpenTelemetry's stock exporter for Zipkin or Jaeger; prints its id.
// Usage: otel.cjs zipkin|jaeger URL SERVICE
const { SpanKind, SpanStatusCode, context, trace } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');

const [format, url, service] = process.argv.slice(2);

function exporter() {
  if (format === 'jaeger') {
    const { JaegerExporter } = require('@opentelemetry/exporter-jaeger');
    return new JaegerExporter({ endpoint: url });
  }
  const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
  return new ZipkinExporter({ url });
}

async function main() {
  const resource = resourceFromAttributes({
    'service.name': service,
    'service.version': '3.2.1',
    'telemetry.sdk.name': 'opentelemetry',
  });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter())] });
  const tracer = provider.getTracer('e2e-node', '0.9');
  const root = tracer.startSpan('root', {
    kind: SpanKind.SERVER,
    attributes: { text: 'hällo "quoted"', truth: true, int: 42, double: 0.5 },
  });
  const inRoot = trace.setSpan(context.active(), root);
  const failed = tracer.startSpan('failed', { kind: SpanKind.CLIENT, links: [{ context: root.spanContext() }] }, inRoot);
  failed.addEvent('retry', { attempt: 2 });
  failed.setStatus({ code: SpanStatusCode.ERROR, message: 'no such customer' });
  failed.end();
  const fine = tracer.startSpan('fine', { kind: SpanKind.PRODUCER }, inRoot);
  fine.setStatus({ code: SpanStatusCode.OK });
  fine.end();
  root.end();
  await provider.forceFlush();
  await provider.shutdown();
  console.log(JSON.stringify({ traceId: root.spanContext().traceId }));
}

main();
