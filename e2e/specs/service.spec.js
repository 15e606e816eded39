// The page of a service: its numbers over time and its operations.
import { test, expect } from '../support/test.js';

const MINUTE_US = 60_000_000;
const HEX = (number, length) => number.toString(16).padStart(length, '0');

/** Sends 20 minutes of calls to a new service, with an outage of 5; returns its name and the start. */
async function sendCalls(request) {
  const service = `calls/${Date.now()}`;
  const startUs = Math.floor(Date.now() / 60_000 - 30) * MINUTE_US;
  const spans = [];
  for (let minute = 0; minute < 20; minute += 1) {
    if (minute >= 10 && minute < 15) continue;
    for (let call = 0; call < 12; call += 1) {
      const id = BigInt(Date.now()) * 1_000n + BigInt(minute * 12 + call);
      spans.push({
        traceId: HEX(id, 32), spanId: HEX(id, 16), name: call % 3 ? 'GET /fast' : 'GET /slow', serviceName: service,
        kind: 'server', startTime: startUs + minute * MINUTE_US + call * 1_000_000, duration: call % 3 ? 10_000 : 900_000,
        status: minute >= 15 && call % 3 === 0 ? 'error' : 'unset',
      });
    }
  }
  expect((await request.post('/api/v1/spans', { data: spans })).ok()).toBe(true);
  await expect.poll(async () => {
    const answer = await (await request.get(`/api/v1/metrics?metric=count&service=${encodeURIComponent(service)}`)).json();
    return answer.series[0].total;
  }).toBe(spans.length);
  return { service, startUs };
}

const chart = (app, name) => app.getByRole('group', { name: new RegExp(`^${name} over time`) });

test('a service has charts that tell one moment together, zoom, and show a line alone', async ({ api, app }) => {
  const { service, startUs } = await sendCalls(api);
  const from = startUs / 1000;
  await app.goto(`/?from=${from}&to=${from + 20 * 60_000}`);
  await app.getByRole('link', { name: service, exact: true }).click();
  await expect(app).toHaveURL(/\/services\/calls%2F/);
  await expect(app.locator('.service-title')).toHaveText(service);
  await expect(app.locator('.head-stats')).toContainText('0.15/s');

  // An outage is a gap in the durations, not a line at zero.
  const line = chart(app, 'Duration').locator('path.line').first();
  await expect(line).toHaveAttribute('d', /^M[^M]+M[^M]+$/);
  await expect(chart(app, 'Rate').locator('path.line')).toHaveAttribute('d', /^M[^M]+$/);

  // The keys tell the moment in words, and all charts show it.
  await chart(app, 'Duration').focus();
  await app.keyboard.press('ArrowLeft');
  await expect(chart(app, 'Duration').getByRole('status')).toContainText(/p50 1\d(\.\d+)? ms, p95 \d+ ms, p99 \d+ ms/);
  await expect(app.locator('.crosshair')).toHaveCount(4);
  await app.keyboard.press('Escape');
  await expect(app.locator('.crosshair')).toHaveCount(0);

  const legend = app.locator('.line-legend').getByRole('button', { name: 'p99' });
  await legend.click();
  await expect(chart(app, 'Duration').locator('path.line')).toHaveCount(1);
  await legend.click();
  await expect(chart(app, 'Duration').locator('path.line')).toHaveCount(3);

  // A drag over the last quarter, where all the errors are.
  const box = await chart(app, 'Errors').boundingBox();
  await app.mouse.move(box.x + 60 + (box.width - 72) * 0.76, box.y + 40);
  await app.mouse.down();
  await app.mouse.move(box.x + 60 + (box.width - 72) * 0.99, box.y + 40, { steps: 4 });
  await app.mouse.up();
  await expect(app).not.toHaveURL(new RegExp(`from=${from}&`));
  await expect(app.locator('.head-stats')).toContainText('33.3%');
  await app.goBack();
  await expect(app).toHaveURL(new RegExp(`from=${from}&`));
});

test('operations are sorted by where the time goes, and lead to their traces', async ({ api, app }) => {
  const { service } = await sendCalls(api);
  await app.goto(`/services/${encodeURIComponent(service)}`);
  const rows = app.getByRole('row').filter({ has: app.getByRole('link') });
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText('GET /slow');
  await expect(rows.first()).toContainText('server');
  await app.getByRole('button', { name: 'Rate' }).click();
  await expect(app).toHaveURL(/sort=-rate/);
  await expect(rows.first()).toContainText('GET /fast');
  await rows.first().getByRole('link').click();
  await expect(app).toHaveURL(/\/traces\?.*operation=GET/);
  await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem').first()).toContainText('GET /fast');
});

test('a service that sent nothing says so and leads on', async ({ app }) => {
  await app.goto('/services/nobody');
  await expect(app.getByRole('heading', { name: 'No spans in this time range' })).toBeVisible();
  await app.getByRole('link', { name: 'the services' }).click();
  await expect(app).toHaveURL(/\/(\?.*)?$/);
});

test('a failing server is told, and asked again', async ({ api, app }) => {
  const { service } = await sendCalls(api);
  const broken = (route) => route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title: 'The database is away', status: 503, code: 'unavailable' }),
  });
  await app.route('**/api/v1/metrics?*', broken);
  await app.goto(`/services/${encodeURIComponent(service)}`);
  await expect(app.getByRole('alert')).toContainText('The database is away');
  await app.unroute('**/api/v1/metrics?*', broken);
  await app.getByRole('button', { name: 'Try again' }).click();
  await expect(chart(app, 'Rate').locator('path.line')).toBeVisible();
});
