// A service whose spans fail in three ways.
import { randomBytes } from 'node:crypto';

import { expect } from './test.js';

const WAIT_MS = 60_000;

export const STACK = `com.shop.NoStock: no stock of book-17
\tat com.shop.stock.Shelf.take(Shelf.java:42)
\tat org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)
\tat java.base/java.lang.Thread.run(Thread.java:1583)
Caused by: java.sql.SQLTimeoutException: statement timed out after 2000 ms
\tat org.postgresql.jdbc.PgStatement.executeInternal(PgStatement.java:518)
\tat com.shop.stock.ShelfStore.load(ShelfStore.java:77)
\t... 12 more`;

const text = (key, value) => ({ key, value: { stringValue: value } });

/** A failed span; `agoMs` before now. */
function failed({ agoMs, operation, kind, message, stack = '' }) {
  const start = BigInt(Date.now() - agoMs) * 1_000_000n;
  const attributes = [text('exception.type', kind), text('exception.message', message), text('exception.stacktrace', stack)];
  return {
    traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), name: operation, kind: 2,
    startTimeUnixNano: String(start), endTimeUnixNano: String(start + 25_000_000n), status: { code: 2 },
    events: [{ name: 'exception', timeUnixNano: String(start + 20_000_000n), attributes }],
  };
}

/** Sends spans of a version of a service. */
export async function sendFailed(service, version, spans) {
  const resource = { attributes: [text('service.name', service), text('service.version', version)] };
  const response = await fetch(`${process.env.E2E_OTLP_HTTP}/v1/traces`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: spans.map(failed) }] }] }),
  });
  expect(response.status).toBe(200);
}

/** Half an hour of errors of a new service in three groups: 12, 6 and 2 times. */
export async function sendErrors(api) {
  const service = `shop ${Date.now()}`;
  const minute = 60_000;
  const stock = (n) => ({
    agoMs: (n * 2 + 1) * minute, operation: n % 3 ? 'GET /stock' : 'POST /orders', kind: 'com.shop.NoStock',
    message: `no stock of book-${n}`, stack: STACK,
  });
  await sendFailed(service, '1.0', Array.from({ length: 12 }, (_, n) => stock(n)));
  const refused = (n) => ({
    agoMs: (n + 2) * minute, operation: 'GET /price', kind: 'ConnectionError', message: `connect ECONNREFUSED 10.0.0.${n + 1}:6379`,
  });
  await sendFailed(service, '1.0', Array.from({ length: 6 }, (_, n) => refused(n)));
  const parsed = (n) => ({ agoMs: (n + 20) * minute, operation: 'POST /orders', kind: 'ParseError', message: `unexpected token at ${n}` });
  await sendFailed(service, '1.1', Array.from({ length: 2 }, (_, n) => parsed(n)));
  await expect.poll(async () => (await errorsOf(api, service)).count, { timeout: WAIT_MS }).toBe(20);
  return { service };
}

/** What the API tells of a service's errors, whatever their state. */
export async function errorsOf(api, service) {
  return (await api.get(`/api/v1/errors?order=count&service=${encodeURIComponent(service)}`)).json();
}
