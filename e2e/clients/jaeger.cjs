// Sends one trace through Jaeger's own client over HTTP; prints its id. Usage: jaeger.cjs URL SERVICE
const { initTracer } = require('jaeger-client');
const { FORMAT_HTTP_HEADERS, REFERENCE_FOLLOWS_FROM, Reference, Tags } = require('opentracing');

const [collectorEndpoint, serviceName] = process.argv.slice(2);

const tracer = initTracer(
  { serviceName, sampler: { type: 'const', param: 1 }, reporter: { collectorEndpoint } },
  { traceId128bit: true, tags: { 'deployment.zone': 'b' }, logger: { info() {}, error(message) { throw new Error(message); } } },
);

const root = tracer.startSpan('root', { tags: { [Tags.SPAN_KIND]: Tags.SPAN_KIND_RPC_SERVER, truth: true, int: 42, double: 0.5 } });
const failed = tracer.startSpan('failed', { childOf: root, tags: { [Tags.SPAN_KIND]: Tags.SPAN_KIND_RPC_CLIENT } });
failed.setTag(Tags.ERROR, true);
failed.log({ event: 'retry', attempt: 2 });
failed.finish();
const later = tracer.startSpan('later', {
  references: [new Reference(REFERENCE_FOLLOWS_FROM, failed.context())],
  tags: { [Tags.SPAN_KIND]: Tags.SPAN_KIND_MESSAGING_CONSUMER },
});
later.finish();
root.finish();
const headers = {};
tracer.inject(root, FORMAT_HTTP_HEADERS, headers);
tracer.close(() => {
  const traceId = decodeURIComponent(headers['uber-trace-id']).split(':')[0];
  console.log(JSON.stringify({ traceId: traceId.padStart(32, '0') }));
});
