// Metrics that people define: from the form to the chart, and what is deleted.
import { test, expect } from '../support/test.js';
import { customMetric, sendCarts } from '../support/metrics.js';

test('a metric is previewed, saved, back-filled, changed and deleted', async ({ api, app }) => {
  const service = await sendCarts(api);
  await app.goto('/');
  await app.getByRole('link', { name: 'Metrics', exact: true }).click();
  await app.getByRole('link', { name: 'New metric' }).click();
  await expect(app).toHaveURL(/\/custom-metrics\/new/);

  // What is typed is tried by itself.
  const preview = app.getByRole('region', { name: 'Preview' });
  await app.getByLabel('Service', { exact: true }).fill(service);
  await expect(preview.getByRole('status').last()).toContainText('120 count');
  await app.getByLabel('Value').selectOption('attribute');
  await app.getByLabel(/^Attribute, a number/).fill('cart.total');
  await app.getByLabel('Computed').selectOption('sum');
  await app.getByLabel(/^A series for each/).fill('payment.method');
  await app.keyboard.press('Enter');
  await expect(preview.getByRole('status').last()).toContainText('120 count, 3 groups found');
  await expect(preview.locator('path.line')).toHaveCount(3);

  // The server says what is wrong, beside the field.
  await app.getByRole('button', { name: 'Define metric' }).click();
  await expect(app.locator('#metric-name-error')).toContainText('must be letters');
  const name = `carts_${Date.now()}`;
  await app.getByLabel('Name', { exact: true }).fill(name);
  await app.getByLabel('Unit of the attribute').fill('EUR');
  await app.getByRole('button', { name: 'Define metric' }).click();

  await expect(app.locator('.service-title')).toHaveText(name);
  const groups = app.getByRole('table', { name: 'Groups' });
  await expect(groups.getByRole('row')).toHaveCount(4);
  // 40 carts each of 10, 20 and 30.
  await expect(groups.getByRole('row').nth(1)).toContainText('invoice');
  await expect(groups.getByRole('row').nth(1)).toContainText('1,200 EUR');
  await expect(app.getByRole('progressbar')).toHaveCount(0);

  await app.getByRole('link', { name: 'Edit' }).click();
  await expect(app.getByLabel('Computed')).toHaveValue('sum');
  await app.getByLabel('Computed').selectOption('max');
  await app.getByRole('button', { name: 'Save' }).click();
  await expect(groups.getByRole('row', { name: 'invoice' })).toContainText('invoice30 EUR');

  await app.getByRole('button', { name: 'Delete' }).click();
  await app.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(app).toHaveURL(/\/custom-metrics(\?|$)/);
  await expect(app.getByRole('link', { name })).toHaveCount(0);
});

test('the list shows the latest numbers and opens by keyboard', async ({ api, app }) => {
  const { name } = await customMetric(api);
  await app.goto('/custom-metrics');
  const row = app.getByRole('row', { name: new RegExp(name) });
  await expect(row.locator('.spark path')).toHaveAttribute('d', /^M/);
  await app.getByLabel('Filter metrics').fill(name);
  await app.getByLabel('Filter metrics').blur();
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(app.locator('.service-title')).toHaveText(name);
});
