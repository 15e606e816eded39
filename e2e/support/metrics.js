// Carts to count, and a metric that counts them.
import { expect } from './test.js';

const HEX = (number, length) => number.toString(16).padStart(length, '0');

/** Sends 40 minutes with three carts each, paid in different ways, to a new service; returns its name. */
export async function sendCarts(request) {
  const service = `carts-${Date.now()}`;
  const methods = ['card', 'transfer', 'invoice'];
  const spans = [];
  for (let minute = 0; minute < 40; minute += 1) {
    for (const [index, method] of methods.entries()) {
      const id = BigInt(Date.now()) * 1_000n + BigInt(minute * 3 + index);
      spans.push({
        traceId: HEX(id, 32), spanId: HEX(id, 16), name: 'POST /cart', serviceName: service, kind: 'server',
        startTime: (Date.now() - (minute + 2) * 60_000) * 1_000, duration: 5_000 + 400 * minute,
        tags: { 'cart.total': 10 * (index + 1), 'payment.method': method },
      });
    }
  }
  expect((await request.post('/api/v1/spans', { data: spans })).ok()).toBe(true);
  await expect.poll(async () => {
    const answer = await (await request.get(`/api/v1/metrics?metric=count&service=${service}`)).json();
    return answer.series[0].total;
  }).toBe(spans.length);
  return service;
}

/** Defines a metric of new carts and waits until it is back-filled; returns its id and name. */
export async function customMetric(request) {
  const service = await sendCarts(request);
  const name = `cart_time_${Date.now()}`;
  const cookies = (await request.storageState()).cookies;
  const csrf = cookies.find((cookie) => cookie.name === 'spanloom_csrf').value;
  const answer = await request.post('/api/v1/custom-metrics', {
    headers: { 'X-CSRF-Token': csrf },
    data: {
      name, description: 'How long it takes until a cart is paid', filter: { service, kinds: ['server'] },
      value: { type: 'duration' }, aggregation: { type: 'quantile', q: 0.95 },
      groupBy: [{ type: 'attribute', key: 'payment.method' }, { type: 'operation' }],
    },
  });
  expect(answer.status(), await answer.text()).toBe(201);
  const { id } = await answer.json();
  await expect.poll(async () => {
    const metric = await (await request.get(`/api/v1/custom-metrics/${id}`)).json();
    return metric.backfill.state;
  }, { timeout: 60_000 }).toBe('done');
  return { id, name };
}
