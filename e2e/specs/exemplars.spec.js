// Exemplars in the charts of a service: real spans that open their traces.
import { test, expect } from '../support/test.js';
import { expectAccessible } from '../support/axe.js';

const MINUTE_US = 60_000_000;
const HEX = (number, length) => number.toString(16).padStart(length, '0');

/**
 * Sends a call that works and, five minutes later, a slower one that fails, each with its caller, and perhaps
 * some fast ones in that minute.
 */
async function sendCalls(request, fast = 0) {
  const service = `exemplars/${Date.now()}`;
  const startUs = Math.floor(Date.now() / 60_000 - 20) * MINUTE_US;
  const base = BigInt(Date.now()) * 1_000n;
  const calls = [
    { name: 'GET /works', minute: 2, duration: 200_000, status: 'unset' },
    { name: 'GET /fails', minute: 7, duration: 900_000, status: 'error' },
  ].map((call, index) => ({ ...call, traceId: HEX(base + BigInt(index * 10 + 1), 32), spanId: HEX(base + BigInt(index * 10 + 2), 16) }));
  const spans = calls.flatMap(({ name, minute, duration, status, traceId, spanId }, index) => {
    const callerId = HEX(base + BigInt(index * 10 + 3), 16);
    const startTime = startUs + minute * MINUTE_US + 20_000_000;
    return [
      { traceId, spanId: callerId, name: 'click', serviceName: 'browser', kind: 'client', startTime, duration: duration + 2_000 },
      { traceId, spanId, parentSpanId: callerId, name, serviceName: service, kind: 'server', startTime: startTime + 1_000, duration, status },
    ];
  });
  for (let index = 0; index < fast; index += 1) {
    spans.push({
      traceId: HEX(base + BigInt(100 + index), 32), spanId: HEX(base + BigInt(100 + index), 16), name: 'GET /fast',
      serviceName: service, kind: 'server', startTime: startUs + 7 * MINUTE_US + index * 1_000_000, duration: 10_000,
    });
  }
  const sent = await request.post('/api/v1/spans', { data: spans });
  expect(sent.ok(), await sent.text()).toBe(true);
  await expect.poll(async () => {
    const answer = await (await request.get(`/api/v1/metrics?metric=count&service=${encodeURIComponent(service)}`)).json();
    return answer.series[0].total;
  }).toBe(2 + fast);
  const from = startUs / 1000;
  return { service, path: `/services/${encodeURIComponent(service)}?from=${from}&to=${from + 10 * 60_000}`, works: calls[0], fails: calls[1] };
}

const chart = (app, name) => app.getByRole('group', { name: new RegExp(`^${name} over time`) });
const marks = (app, name) => chart(app, name).locator('path.exemplar');

async function middle(locator) {
  const box = await locator.boundingBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

/** The page of exactly this span. */
async function expectSpan(app, call) {
  await expect(app).toHaveURL(new RegExp(`/traces/${call.traceId}\\?.*span=${call.spanId}`));
  await expect(app.getByRole('complementary', { name: 'Details of the span' })).toContainText(call.name);
}

test('a mark tells its span, and a click opens exactly that', async ({ api, app }) => {
  const { path, works, fails } = await sendCalls(api);
  await app.goto(path);
  await expect(marks(app, 'Duration')).toHaveCount(2);
  // What failed is a cross, in the chart of errors too, where the other has no place.
  await expect(chart(app, 'Duration').locator('path.exemplar.failed')).toHaveCount(1);
  await expect(marks(app, 'Errors')).toHaveCount(1);
  await expect(marks(app, 'Rate')).toHaveCount(0);

  const tip = chart(app, 'Duration').locator('.exemplar-tip');
  const fine = chart(app, 'Duration').locator('path.exemplar:not(.failed)');
  await app.mouse.move(...await middle(fine));
  await expect(tip).toContainText('GET /works');
  await expect(tip).toContainText('200 ms');
  await expect(tip).toContainText('open trace');
  await expect(app.locator('.crosshair')).not.toHaveCount(0);
  await expectAccessible(app);
  await app.mouse.click(...await middle(fine));
  await expectSpan(app, works);

  await app.goBack();
  await app.mouse.click(...await middle(marks(app, 'Errors')));
  await expectSpan(app, fails);
});

test('keys go from mark to mark, tell each in words, and open one', async ({ api, app }) => {
  const { path, fails } = await sendCalls(api);
  await app.goto(path);
  await expect(marks(app, 'Duration')).toHaveCount(2);
  await expect(chart(app, 'Duration')).toHaveAccessibleName(/n and Shift n through 2 exemplars, Enter opens one/);
  await chart(app, 'Duration').focus();
  const said = chart(app, 'Duration').getByRole('status');
  await app.keyboard.press('n');
  await expect(said).toContainText(/GET \/works, Duration 200 ms, Status unset, Started .*Enter opens the trace/);
  await app.keyboard.press('n');
  await expect(said).toContainText(/GET \/fails, Duration 900 ms, Status error/);
  await app.keyboard.press('Shift+N');
  await expect(said).toContainText('GET /works');
  // The steps have their keys as before.
  await app.keyboard.press('ArrowLeft');
  await expect(said).toContainText('p50');
  await app.keyboard.press('Escape');
  await expect(app.locator('.crosshair')).toHaveCount(0);
  await app.keyboard.press('Shift+N');
  await app.keyboard.press('Enter');
  await expectSpan(app, fails);
});

test('marks above the axis are held at the top, and a drag from a mark still zooms', async ({ api, app }) => {
  const { path } = await sendCalls(api, 3);
  await app.goto(path);
  await expect(marks(app, 'Duration')).toHaveCount(3);
  await expect(app.locator('.exemplar-arrow')).toHaveCount(0);
  await app.locator('.line-legend').getByRole('button', { name: 'p50' }).click();
  await expect(app.locator('.failed .exemplar-arrow')).toHaveCount(1);
  await app.mouse.move(...await middle(chart(app, 'Duration').locator('path.exemplar.failed')));
  await expect(app.locator('.exemplar-tip')).toContainText('900 ms');

  const [x, y] = await middle(chart(app, 'Duration').locator('path.exemplar:not(.failed)').first());
  await app.mouse.move(x, y);
  await app.mouse.down();
  await app.mouse.move(x + 60, y, { steps: 4 });
  await app.mouse.up();
  await expect(app).not.toHaveURL(new RegExp(path.split('?')[1]));
  await expect(app).toHaveURL(/\/services\//);
  await expect(app.locator('.exemplar-tip')).toHaveCount(0);
});

test('they can be switched off, which is remembered', async ({ api, app }) => {
  const { path } = await sendCalls(api);
  await app.goto(path);
  await expect(marks(app, 'Duration')).toHaveCount(2);
  const toggle = app.getByRole('button', { name: 'exemplars' });
  await expect(toggle).toHaveAttribute('aria-pressed', 'true');
  await toggle.click();
  await expect(app.locator('.line-plot path.exemplar')).toHaveCount(0);
  let asked = 0;
  app.on('request', (request) => { asked += request.url().includes('/metrics/exemplars') ? 1 : 0; });
  await app.reload();
  await expect(chart(app, 'Duration').locator('path.line').first()).toBeAttached();
  await expect(toggle).toHaveAttribute('aria-pressed', 'false');
  await expect(app.locator('.line-plot path.exemplar')).toHaveCount(0);
  expect(asked).toBe(0);
  await toggle.click();
  await expect(marks(app, 'Duration')).toHaveCount(2);
});

test('charts do without them where they cannot be loaded', async ({ api, app }) => {
  const { path } = await sendCalls(api);
  await app.route('**/api/v1/metrics/exemplars?*', (route) => route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title: 'The query took too long', status: 503, code: 'unavailable' }),
  }));
  await app.goto(path);
  await expect(app.locator('.exemplar-switch').getByRole('status')).toHaveAttribute('title', /The query took too long/);
  await expect(chart(app, 'Duration').locator('path.line').first()).toBeAttached();
  await expect(app.getByRole('alert')).toHaveCount(0);
  await expect(app.locator('.line-plot path.exemplar')).toHaveCount(0);
});
