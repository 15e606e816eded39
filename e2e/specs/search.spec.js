// The services and search pages in the browser.
import { test, expect } from '../support/test.js';
import { checkoutTrace, sendFromPython, waitForTrace } from '../support/traces.js';

const results = (page) => page.getByRole('list', { name: 'Traces' }).getByRole('listitem');

test('from the services to the traces of one', async ({ api, app }) => {
  await checkoutTrace(api, 'book');
  // What is left of the address of a service's page.
  await app.goto('/services');
  await expect.poll(() => new URL(app.url()).pathname).toBe('/');
  const row = app.getByRole('row').filter({ has: app.getByRole('link', { name: 'orders', exact: true }) });
  await expect(row).toBeVisible();
  await row.getByRole('link', { name: 'orders', exact: true }).click();
  await app.getByRole('link', { name: 'Traces', exact: true }).last().click();
  await expect(app).toHaveURL(/\/traces\?.*service=orders/);
  await expect(results(app).first()).toContainText('gateway');
  await expect(results(app).first()).toContainText('GET /checkout/:item');
});

test('searching by service and tag finds exactly the trace, and the URL says what was searched for', async ({ api, app, browser }) => {
  const startNs = BigInt(Date.now()) * 1_000_000n;
  const service = `python-${startNs}`;
  const traceId = await sendFromPython({ protocol: 'grpc', service, startNs });
  await waitForTrace(api, traceId, (trace) => trace.spans.length === 3);

  await app.goto('/traces');
  await app.getByRole('combobox', { name: 'Service', exact: true }).fill(service.slice(0, -2));
  await app.getByRole('option', { name: new RegExp(service) }).click();
  await expect(app).toHaveURL(new RegExp(`service=${service}`));
  await expect(results(app)).toHaveCount(1);

  const tag = app.getByRole('search', { name: 'Traces' }).getByRole('combobox', { name: /tag/i });
  await tag.fill('int=42');
  await tag.press('Enter');
  await expect(app).toHaveURL(/tag=int%3D42|tag=int=42/);
  await expect(results(app)).toHaveCount(1);
  await expect(results(app).first()).toContainText('root');

  // The same link shows somebody else the same.
  const other = await browser.newContext({ storageState: await app.context().storageState(), viewport: { width: 1024, height: 768 } });
  const theirs = await other.newPage();
  await theirs.goto(app.url());
  await expect(results(theirs)).toHaveCount(1);
  await other.close();

  await tag.fill('int=43');
  await tag.press('Enter');
  await expect(results(app)).toHaveCount(0);
  await expect(app.getByRole('heading', { name: /no traces/i })).toBeVisible();
});

test('filtering by status and duration shows what the API finds', async ({ api, app }) => {
  const { traceId } = await checkoutTrace(api, 'broken');
  await app.goto('/traces?service=inventory');
  await expect(results(app).first()).toBeVisible();
  await app.getByLabel('Status', { exact: true }).selectOption('error');
  await expect(app).toHaveURL(/status=error/);
  await expect(app.locator(`a[href*="/traces/${traceId}"]`)).toBeVisible();
  await app.getByRole('textbox', { name: 'Minimum duration' }).fill('1h');
  await app.getByRole('button', { name: /^Run/ }).click();
  await expect(app).toHaveURL(/min=1h/);
  await expect(results(app)).toHaveCount(0);
});

test('a duration without a unit is explained and not searched for', async ({ app }) => {
  await app.goto('/traces');
  await app.getByRole('textbox', { name: 'Minimum duration' }).fill('250');
  await expect(app.getByRole('alert').filter({ hasText: 'Durations need a unit' })).toBeVisible();
  await expect(app.getByRole('button', { name: /^Run/ })).toBeDisabled();
});

test('the keyboard leads from the search to a span', async ({ api, app }) => {
  const { traceId } = await checkoutTrace(api, 'book');
  await app.goto('/traces?service=gateway');
  await expect(results(app).first()).toBeVisible();
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(app).toHaveURL(/\/traces\/[0-9a-f]{32}/);

  // A trace id pasted into the palette opens it from anywhere.
  await app.keyboard.press('Control+k');
  await app.getByRole('combobox', { name: 'Service, trace id, page or action' }).fill(traceId);
  await app.keyboard.press('Enter');
  await expect(app).toHaveURL(new RegExp(`/traces/${traceId}`));
  await expect(app.getByRole('tree', { name: 'Spans' })).toBeVisible();
  await app.keyboard.press('j');
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(app).toHaveURL(/span=[0-9a-f]{16}/);
  await expect(app.getByRole('complementary', { name: 'Details of the span' })).toBeVisible();
});
