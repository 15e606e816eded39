// The storage page: what it tells is what the API tells; its switches are in the URL; it works by
// keyboard; and it says what to do when the server cannot answer.
import { test, expect } from '../support/test.js';
import { checkoutTrace } from '../support/traces.js';

test.beforeEach(async ({ api }) => {
  for (const item of ['book', 'broken']) await checkoutTrace(api, item);
});

test('sizes, retention and tables are shown as the API tells them', async ({ api, app }) => {
  await app.goto('/settings/storage');
  await expect(app.getByRole('heading', { name: 'Storage', level: 2 })).toBeVisible();
  const kept = app.getByRole('table', { name: 'How long it is kept' });
  await expect(kept.getByRole('row')).toHaveCount(5);
  await expect(kept.getByRole('row', { name: /Traces/ })).toContainText('7 days');

  const answer = await (await api.get('/api/v1/storage?days=14')).json();
  // Without a whole day there is no growth to tell.
  await expect(app.getByText('Not known yet')).toHaveCount(answer.growth.bytesPerDay === null ? 2 : 0);
  const services = app.getByRole('table', { name: 'Services' });
  for (const { name } of answer.services) await expect(services.getByRole('link', { name, exact: true })).toBeVisible();
  const tables = app.getByRole('table', { name: 'Tables' });
  await expect(tables.getByRole('row')).toHaveCount(answer.tables.length + 1);
  await expect(tables.getByRole('row', { name: /^spans / })).toContainText(/\d [kMG]B/);
  await app.getByText(/^Partitions \(\d+\)/).click();
  await expect(app.getByRole('table', { name: 'Partitions' }).getByRole('row')).toHaveCount(answer.partitionCount + 1);
});

test('days and bars are chosen in the URL, and the keys go from day to day', async ({ app }) => {
  await app.goto('/settings/storage');
  await app.getByRole('button', { name: '7 days' }).click();
  await expect(app).toHaveURL(/days=7/);
  await app.getByRole('button', { name: 'Services' }).click();
  await expect(app).toHaveURL(/by=service/);
  await expect(app.getByRole('list', { name: 'Colours' })).toContainText('gateway');
  await app.reload();
  await expect(app.getByRole('button', { name: '7 days' })).toHaveAttribute('aria-pressed', 'true');

  const chart = app.getByRole('group', { name: /Bytes by day/ });
  await chart.focus();
  await app.keyboard.press('ArrowLeft');
  const today = new Date().toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  await expect(chart.getByRole('status')).toContainText(today);
  await expect(chart.getByRole('status')).toContainText(/gateway [\d.]+ [kMG]?B/);
  await expect(chart.locator('.tooltip')).toBeVisible();
  await app.keyboard.press('Escape');
  await expect(chart.locator('.tooltip')).toHaveCount(0);
});

test('a service leads to its traces, by keyboard too', async ({ app }) => {
  await app.goto('/settings/storage');
  const services = app.getByRole('table', { name: 'Services' });
  const first = await services.getByRole('link').first().innerText();
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(app).toHaveURL(new RegExp(`/traces\\?.*service=${first.trim()}`));
});

test('a server that cannot answer is told, and asked again', async ({ app }) => {
  let fails = true;
  await app.route('**/api/v1/storage?*', (route) => {
    if (!fails) return route.continue();
    const problem = { type: '/problems/unavailable', title: 'Try again later', status: 503, code: 'unavailable', detail: 'the query took too long', errors: [] };
    return route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) });
  });
  await app.goto('/settings/storage');
  await expect(app.getByRole('alert')).toContainText('the query took too long');
  fails = false;
  await app.getByRole('button', { name: 'Try again' }).click();
  await expect(app.getByRole('table', { name: 'Tables' })).toBeVisible();
});
