// Sends a span and log records told during it through OpenTelemetry's stock SDK; prints the ids.
// Usage: logs.cjs grpc|proto|json TRACES_URL LOGS_URL SERVICE
const { SpanKind, context, trace } = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');

const [protocol, tracesUrl, logsUrl, service] = process.argv.slice(2);
const PACKAGES = { grpc: 'grpc', proto: 'proto', json: 'http' };
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${PACKAGES[protocol]}`);

async function main() {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const resource = resourceFromAttributes({ 'service.name': service, 'service.version': '3.2.1' });
  const spans = new SimpleSpanProcessor(new ZipkinExporter({ url: tracesUrl }));
  const tracing = new BasicTracerProvider({ resource, spanProcessors: [spans] });
  const exporter = new OTLPLogExporter({ url: logsUrl });
  const logging = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = logging.getLogger('e2e-logger', '0.9');

  const span = tracing.getTracer('e2e-node').startSpan('order', { kind: SpanKind.SERVER });
  context.with(trace.setSpan(context.active(), span), () => {
    logger.emit({ severityNumber: 9, severityText: 'INFO', body: 'order hällo accepted', attributes: { 'order.id': 4711 } });
    logger.emit({
      severityNumber: 17,
      severityText: 'ERROR',
      body: 'card was declined',
      attributes: { 'exception.type': 'CardDeclined', 'exception.stacktrace': 'CardDeclined\n  at pay (pay.js:1)', password: 'hunter2' },
    });
  });
  logger.emit({ severityNumber: 13, body: { queue: 'mails', waiting: 12 } });
  span.end();
  await Promise.all([tracing.forceFlush(), logging.forceFlush()]);
  await Promise.all([tracing.shutdown(), logging.shutdown()]);
  const { traceId, spanId } = span.spanContext();
  console.log(JSON.stringify({ traceId, spanId }));
}

main();
