// Stock clients and exporters for Zipkin and Jaeger: what they send comes back in OpenTelemetry's terms.
import { test, expect } from '../support/test.js';
import { only, parentOf, sendFromNode, sendWithExporter, serviceOf, waitForTrace } from '../support/traces.js';

const { E2E_ZIPKIN: zipkin, E2E_JAEGER_HTTP: jaegerHttp, E2E_JAEGER_GRPC: jaegerGrpc } = process.env;
const complete = (trace) => trace.spans.length === 3;

// The same trace by each of OpenTelemetry's exporters. Zipkin's tags are text, and the one for Node
// leaves out attributes of events and the library.
const EXPORTERS = [
  { name: 'zipkin, node', send: (service) => sendFromNode('otel', 'zipkin', zipkin, service), types: 'text', plain: true },
  { name: 'zipkin, python, json', send: python('zipkin-json', zipkin, false), types: 'text' },
  { name: 'zipkin, python, protobuf', send: python('zipkin-proto', zipkin, true), types: 'text' },
  { name: 'jaeger, node, thrift', send: (service) => sendFromNode('otel', 'jaeger', jaegerHttp, service), types: 'kept', link: 'failed' },
  { name: 'jaeger, python, thrift', send: python('jaeger-thrift', jaegerHttp, true), types: 'kept', link: 'other' },
  { name: 'jaeger, python, grpc', send: python('jaeger-grpc', jaegerGrpc, true), types: 'kept', link: 'other' },
];

function python(exporter, endpoint, ended) {
  return (service) => sendWithExporter({ exporter, endpoint, service, ended });
}

for (const { name, send, types, plain, link } of EXPORTERS) {
  test(`OpenTelemetry's exporter for ${name}: kinds, parents, attributes, errors and events arrive`, async ({ api }) => {
    const service = `other-${name.replaceAll(/\W+/g, '-')}`;
    const trace = await waitForTrace(api, await send(service), complete);
    const [root, failed, fine] = ['root', 'failed', 'fine'].map((span) => only(trace, ({ name: its }) => its === span));
    expect(trace.warnings).toEqual([]);
    expect(root).toMatchObject({ kind: 'server', status: 'unset' });
    expect(root.parentSpanId ?? null).toBeNull();
    expect(root.attributes).toMatchObject(
      types === 'text'
        ? { text: 'hällo "quoted"', truth: 'true', int: '42', double: '0.5' }
        : { text: 'hällo "quoted"', truth: true, int: 42, double: 0.5 },
    );
    expect(failed).toMatchObject({ parentSpanId: root.spanId, kind: 'client', status: 'error', statusMessage: 'no such customer' });
    expect(failed.events).toEqual([expect.objectContaining(plain ? { name: 'retry' } : { name: 'retry', attributes: { attempt: 2 } })]);
    expect(fine).toMatchObject({ parentSpanId: root.spanId, kind: 'producer', status: 'ok' });
    for (const span of trace.spans) {
      expect(serviceOf(trace, span)).toBe(service);
      expect(trace.resources[span.resource].attributes).toMatchObject({ 'service.version': '3.2.1', 'telemetry.sdk.name': 'opentelemetry' });
      if (!plain) expect(trace.scopes[span.scope]).toMatchObject({ name: expect.stringMatching(/^e2e-/), version: '0.9' });
      const leftOver = Object.keys(span.attributes ?? {}).filter((key) => /^(otel\.|error$|span\.kind$|service\.|telemetry\.)/.test(key));
      expect(leftOver, 'attributes that have fields').toEqual([]);
    }
    if (link) {
      expect(failed.links).toEqual([expect.objectContaining({
        traceId: link === 'other' ? '123456789abcdef0123456789abcdef0' : trace.traceId,
        spanId: link === 'other' ? 'fedcba9876543210' : root.spanId,
        attributes: { 'opentracing.ref_type': 'follows_from' },
      })]);
    }
  });
}

test('Zipkin\'s own library: the halves of a shared span are client and server, the work is the server\'s', async ({ api }) => {
  const trace = await waitForTrace(api, await sendFromNode('zipkin', zipkin, 'stock'), complete);
  const client = only(trace, (span) => span.kind === 'client');
  const server = only(trace, (span) => span.kind === 'server');
  const work = only(trace, (span) => span.name === 'read stock');
  // The library's clock goes astray by a millisecond now and then.
  expect(trace.warnings.filter(({ kind }) => kind !== 'clock_skew')).toEqual([]);
  expect(parentOf(trace, client)).toBeUndefined();
  expect(parentOf(trace, server)).toBe(client);
  expect(parentOf(trace, work)).toBe(server);
  expect([client, server, work].map((span) => serviceOf(trace, span))).toEqual(['stock-caller', 'stock-callee', 'stock-callee']);
  expect(client).toMatchObject({ name: 'get /stock', attributes: { 'http.path': '/stock', 'peer.service': 'stock-callee', 'network.peer.port': 8081 } });
  expect(server.events).toEqual([expect.objectContaining({ name: 'cache miss' })]);
  expect(work).toMatchObject({ status: 'error', statusMessage: 'no such item' });
});

test('Jaeger\'s own client: types, references, logs and the process arrive', async ({ api }) => {
  const trace = await waitForTrace(api, await sendFromNode('jaeger', jaegerHttp, 'jaeger-client'), complete);
  const [root, failed, later] = ['root', 'failed', 'later'].map((name) => only(trace, (span) => span.name === name));
  expect(trace.warnings).toEqual([]);
  expect(trace.traceId).not.toMatch(/^0{16}/);
  expect(root).toMatchObject({ kind: 'server', attributes: { truth: true, int: 42, double: 0.5, 'sampler.type': 'const' } });
  expect(failed).toMatchObject({ kind: 'client', status: 'error', parentSpanId: root.spanId });
  expect(failed.events).toEqual([expect.objectContaining({ name: 'retry', attributes: { attempt: 2 } })]);
  expect(later).toMatchObject({ kind: 'consumer', parentSpanId: failed.spanId });
  expect(later.links).toEqual([expect.objectContaining({ spanId: failed.spanId, attributes: { 'opentracing.ref_type': 'follows_from' } })]);
  expect(serviceOf(trace, root)).toBe('jaeger-client');
  expect(trace.resources[root.resource].attributes).toMatchObject({
    'deployment.zone': 'b',
    'host.name': expect.any(String),
    'jaeger.version': expect.stringMatching(/^Node-/),
  });
});
