// The trace page in the browser.
import { test, expect, logIn } from '../support/test.js';
import { checkoutTrace, only, sendFromPython, sendLargeTrace, serviceOf, waitForTrace } from '../support/traces.js';

const SPANS = 20_000;
/** A screen of rows with a generous margin above and below; far below the number of spans. */
const ROWS_MAX = 200;
/** Smooth scrolling stays far below it; a page that draws all spans at once far above. */
const LONG_TASK_MAX_MS = 1_000;

const rows = (page) => page.getByRole('tree', { name: 'Spans' }).getByRole('treeitem');
const detail = (page) => page.getByRole('complementary', { name: 'Details of the span' });

test('the waterfall shows every span; rows collapse and expand', async ({ api, app }) => {
  const { traceId, trace } = await checkoutTrace(api, 'book');
  await app.goto(`/traces/${traceId}`);
  await expect(rows(app)).toHaveCount(trace.spans.length);
  const root = rows(app).first();
  await expect(root).toContainText('gateway');
  await expect(root).toContainText('GET /checkout/:item');
  await expect(root).toHaveAttribute('aria-expanded', 'true');
  await expect(root).toHaveAttribute('aria-level', '1');

  // Only for the mouse, and hidden from assistive technology: the row itself tells its state.
  const expander = root.locator('.trace-expander');
  await expander.click();
  await expect(rows(app)).toHaveCount(1);
  await expect(root).toHaveAttribute('aria-expanded', 'false');
  await expect(root).toContainText(`${trace.spans.length - 1} spans`);
  await expander.click();
  await expect(rows(app)).toHaveCount(trace.spans.length);

  await app.keyboard.press('Home');
  await expect(root).toHaveAttribute('aria-selected', 'true');
  await app.keyboard.press('h');
  await expect(rows(app)).toHaveCount(1);
  await app.keyboard.press('l');
  await expect(rows(app)).toHaveCount(trace.spans.length);
});

test('the details show attributes, events, resource and the error', async ({ api, app }) => {
  const { traceId, trace } = await checkoutTrace(api, 'broken');
  const failed = only(trace, (span) => span.statusMessage === 'the shelf is broken');
  await app.goto(`/traces/${traceId}?span=${failed.spanId}`);
  const panel = detail(app);
  await expect(panel).toContainText('the shelf is broken');
  await expect(panel).toContainText('RangeError');
  await expect(panel).toContainText('http.route');
  await expect(panel).toContainText('/stock/:item');
  await panel.getByText('Resource', { exact: false }).first().click();
  await expect(panel).toContainText('telemetry.sdk.language');
  await panel.getByText('JSON', { exact: true }).click();
  await expect(panel.locator('pre').last()).toContainText(failed.spanId);
});

test('a link to a span opens it for somebody else', async ({ api, app, browser }) => {
  const { traceId, trace } = await checkoutTrace(api, 'book');
  const span = only(trace, (it) => it.name === 'price order');
  await app.goto(`/traces/${traceId}`);
  await rows(app).filter({ hasText: 'price order' }).click();
  await expect(app).toHaveURL(new RegExp(`span=${span.spanId}`));

  const context = await browser.newContext({ baseURL: process.env.E2E_URL });
  const theirs = await context.newPage();
  await theirs.goto(app.url());
  await expect(theirs).toHaveURL(/\/login/);
  expect((await logIn(theirs.request)).status()).toBe(200);
  await theirs.goto(app.url());
  const selected = rows(theirs).and(theirs.locator('[aria-selected=true]'));
  await expect(selected).toHaveCount(1);
  await expect(selected).toContainText('price order');
  await expect(detail(theirs)).toContainText('order.item');
  await context.close();
});

test('finding within the trace steps through the hits', async ({ api, app }) => {
  const { traceId, trace } = await checkoutTrace(api, 'book');
  const inInventory = trace.spans.filter((span) => serviceOf(trace, span) === 'inventory').length;
  await app.goto(`/traces/${traceId}`);
  await expect(rows(app)).toHaveCount(trace.spans.length);
  await app.keyboard.press('f');
  await app.keyboard.type('inventory');
  const find = app.getByRole('search').filter({ has: app.getByRole('button', { name: 'Next hit' }) });
  await expect(find.getByRole('status')).toContainText(`${inInventory}`);
  await find.getByRole('button', { name: 'Next hit' }).click();
  await expect(rows(app).and(app.locator('[aria-selected=true]'))).toContainText('inventory');
});

test('every type of attribute can be read', async ({ api, app }) => {
  const startNs = BigInt(Date.now()) * 1_000_000n;
  const traceId = await sendFromPython({ protocol: 'http', service: 'python-page', startNs });
  const trace = await waitForTrace(api, traceId, (it) => it.spans.length === 3);
  await app.goto(`/traces/${traceId}?span=${only(trace, (span) => span.name === 'root').spanId}`);
  const panel = detail(app);
  for (const text of ['hällo 👩‍🚀', '9223372036854775807', '-9223372036854775808', 'AP8Q', 'deeper']) {
    await expect(panel).toContainText(text);
  }
  await expect(panel).toContainText('Links');
  await expect(panel).toContainText('123456789abcdef0123456789abcdef0');
});

test('an unknown trace is told apart from a malformed id', async ({ api, app }) => {
  const unknown = 'a'.repeat(32);
  expect((await api.get(`/api/v1/traces/${unknown}`)).status()).toBe(404);
  expect((await api.get('/api/v1/traces/nonsense')).status()).toBe(400);
  await app.goto(`/traces/${unknown}`);
  await expect(app.getByRole('main')).toContainText(/not found|no such trace|no trace/i);
});

test('a trace of 20,000 spans opens and scrolls', async ({ api, app }) => {
  test.setTimeout(180_000);
  const traceId = await sendLargeTrace(SPANS);
  await waitForTrace(api, traceId, (trace) => trace.spans.length === SPANS);
  await app.goto(`/traces/${traceId}`);
  await expect(rows(app).first()).toContainText('GET /report', { timeout: 60_000 });
  expect(await rows(app).count()).toBeLessThanOrEqual(ROWS_MAX);
  await expect(app.getByRole('main')).toContainText('20,000');

  const tree = app.getByRole('tree', { name: 'Spans' });
  const longest = await tree.evaluate(async (scroller) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
    observer.observe({ type: 'longtask' });
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const stepPx = scroller.scrollHeight / 60;
    for (let step = 0; step <= 60; step += 1) {
      scroller.scrollTop = step * stepPx;
      await frame();
    }
    await frame();
    observer.disconnect();
    return Math.max(0, ...tasks);
  });
  expect(longest).toBeLessThan(LONG_TASK_MAX_MS);
  // At the end: other rows, still few, and the last one is there.
  expect(await tree.evaluate((it) => it.scrollTop)).toBeGreaterThan(SPANS * 10);
  await expect(rows(app).filter({ hasText: 'GET /report' })).toHaveCount(0);
  const count = await rows(app).count();
  expect(count).toBeGreaterThan(10);
  expect(count).toBeLessThanOrEqual(ROWS_MAX);

  await tree.focus();
  await app.keyboard.press('Home');
  await expect(rows(app).first()).toContainText('GET /report');
  await app.getByRole('button', { name: 'Collapse all' }).click();
  await expect(rows(app)).toHaveCount(1);
});
