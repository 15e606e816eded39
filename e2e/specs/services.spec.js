// Services instrumented with the stock OpenTelemetry packages for Node, each sending by another way
// of OTLP: their traces come back whole.
import { test, expect } from '../support/test.js';
import { checkoutTrace, only, parentOf, serviceOf } from '../support/traces.js';

const spanOf = (trace, service, kind) => only(trace, (span) => serviceOf(trace, span) === service && span.kind === kind);

function ancestors(trace, span) {
  const found = [];
  for (let at = parentOf(trace, span); at; at = parentOf(trace, at)) found.push(at);
  return found;
}

test('a request through three services is one complete trace', async ({ api }) => {
  const { status, trace } = await checkoutTrace(api, 'book');
  expect(status).toBe(200);

  const root = only(trace, (span) => span.parentSpanId === undefined);
  expect(root).toMatchObject({ name: 'GET /checkout/:item', kind: 'server', status: 'unset', startOffsetNs: 0 });
  expect(serviceOf(trace, root)).toBe('gateway');
  expect(root.attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.route': '/checkout/:item',
    'url.path': '/checkout/book',
  });

  const [ordersServer, inventoryServer] = [spanOf(trace, 'orders', 'server'), spanOf(trace, 'inventory', 'server')];
  const [gatewayClient, ordersClient] = [spanOf(trace, 'gateway', 'client'), spanOf(trace, 'orders', 'client')];
  expect(ordersServer).toMatchObject({ name: 'POST /orders', parentSpanId: gatewayClient.spanId });
  expect(inventoryServer).toMatchObject({ name: 'GET /stock/:item', parentSpanId: ordersClient.spanId });
  expect(ancestors(trace, inventoryServer)).toEqual(expect.arrayContaining([root, gatewayClient, ordersServer, ordersClient]));
  // Written by the SDK where the parent came from another process.
  expect(inventoryServer.flags).toBe(0x301);

  for (const span of trace.spans) {
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(span.startOffsetNs).toBeGreaterThanOrEqual(0);
    expect(span.startOffsetNs + span.durationNs).toBeLessThanOrEqual(trace.durationNs);
    expect(ancestors(trace, span).at(-1) ?? span).toBe(root);
  }
});

test('spans of hand-written instrumentation keep types, events and status', async ({ api }) => {
  const { trace } = await checkoutTrace(api, 'book');
  const span = only(trace, (it) => it.name === 'price order');
  expect(span).toMatchObject({
    kind: 'internal',
    status: 'ok',
    attributes: { 'order.item': 'book', 'order.quantity': 2, 'order.price': 12.5, 'order.rush': false },
  });
  expect(trace.scopes[span.scope]).toMatchObject({ name: 'orders', version: '1.2.3' });
  expect(span.events).toEqual([expect.objectContaining({ name: 'discount applied', attributes: { percent: 10 } })]);
  expect(span.events[0].offsetNs).toBeGreaterThanOrEqual(span.startOffsetNs);
  expect(span.events[0].offsetNs).toBeLessThanOrEqual(span.startOffsetNs + span.durationNs);
});

test('resources and instrumentation libraries are kept', async ({ api }) => {
  const { trace } = await checkoutTrace(api, 'book');
  expect(trace.resources.map((resource) => resource.service).sort()).toEqual(['gateway', 'inventory', 'orders']);
  for (const { service, attributes } of trace.resources) {
    expect(attributes).toMatchObject({
      'service.name': service,
      'service.version': '1.2.3',
      'deployment.environment.name': 'e2e',
      'telemetry.sdk.language': 'nodejs',
      'process.runtime.name': 'nodejs',
    });
    expect(Number.isInteger(attributes['process.pid'])).toBe(true);
    expect(attributes['process.command_args']).toContain('--require');
  }
  const scopes = trace.scopes.map((scope) => scope.name);
  expect(scopes).toEqual(expect.arrayContaining([
    '@opentelemetry/instrumentation-http',
    '@opentelemetry/instrumentation-undici',
    '@opentelemetry/instrumentation-express',
  ]));
});

test('an exception is an event of the span that failed, and its trace is found by status', async ({ api }) => {
  const { status, traceId, trace } = await checkoutTrace(api, 'broken');
  expect(status).toBe(502);
  const failed = trace.spans.filter((span) => span.status === 'error');
  expect(new Set(failed.map((span) => serviceOf(trace, span)))).toEqual(new Set(['gateway', 'orders', 'inventory']));
  const span = only(trace, (it) => it.status === 'error' && it.statusMessage === 'the shelf is broken');
  expect(span.events).toEqual([expect.objectContaining({
    name: 'exception',
    attributes: expect.objectContaining({
      'exception.type': 'RangeError',
      'exception.message': 'the shelf is broken',
      'exception.stacktrace': expect.stringContaining('inventory.cjs'),
    }),
  })]);

  const found = await search(api, { traceId, serviceName: 'inventory', status: 'error' });
  expect(found).toEqual([expect.objectContaining({ traceId, hasRoot: true, errorCount: failed.length, spanCount: trace.spans.length })]);
  expect(found[0].root).toEqual({ service: 'gateway', operation: 'GET /checkout/:item' });
  expect(await search(api, { traceId, serviceName: 'inventory', status: 'ok' })).toEqual([]);
});

test('a slow request is found by its duration, and by a tag of one of its spans', async ({ api }) => {
  const slow = await checkoutTrace(api, 'piano');
  const fast = await checkoutTrace(api, 'book');
  const ids = async (parameters) => (await search(api, { limit: 1000, ...parameters })).map((trace) => trace.traceId);

  const long = await ids({ serviceName: 'inventory', operation: 'GET /stock/:item', duration: '290ms' });
  expect(long).toContain(slow.traceId);
  expect(long).not.toContain(fast.traceId);
  expect(await ids({ serviceName: 'inventory', maxDuration: '290ms' })).not.toContain(slow.traceId);
  const tagged = await ids({ serviceName: 'orders', tag: 'order.item=piano' });
  expect(tagged).toContain(slow.traceId);
  expect(tagged).not.toContain(fast.traceId);
  // One span has to satisfy all of it, and the tag is on a span of another service.
  expect(await ids({ serviceName: 'gateway', tag: 'order.item=piano' })).toEqual([]);
});

test('services and operations have rates, and completion knows keys and values', async ({ api }) => {
  const { trace } = await checkoutTrace(api, 'book');
  const { services } = await json(api, '/api/v1/services');
  for (const { service } of trace.resources) {
    const found = services.find((it) => it.name === service);
    expect(found, service).toMatchObject({ name: service });
    expect(found.count).toBeGreaterThanOrEqual(1);
    expect(found.p50Ns).toBeGreaterThan(0);
    expect(found.p99Ns).toBeGreaterThanOrEqual(found.p50Ns);
  }
  const { operations } = await json(api, '/api/v1/services/orders/operations');
  expect(operations).toContainEqual(expect.objectContaining({ name: 'POST /orders', kind: 'server' }));
  const { keys } = await json(api, '/api/v1/tags?serviceName=orders');
  expect(keys.map((it) => it.key)).toContain('order.item');
  const { values } = await json(api, '/api/v1/tags/order.item/values?serviceName=orders');
  expect(values).toContainEqual(expect.objectContaining({ value: 'book', type: 'string' }));
});

async function json(api, path) {
  const response = await api.get(path);
  expect(response.status(), path).toBe(200);
  return response.json();
}

async function search(api, params) {
  const response = await api.get('/api/v1/traces', { params });
  expect(response.status()).toBe(200);
  const { traces, searched } = await response.json();
  expect(searched.complete).toBe(true);
  return traces;
}
