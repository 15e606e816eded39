// Errors: the list, one of them, its state, and the ways there.
import { test, expect } from '../support/test.js';
import { errorsOf, sendErrors, sendFailed } from '../support/errors.js';

const listOf = (service, more = '') => `/errors?service=${encodeURIComponent(service)}${more}`;
const rows = (app) => app.locator('tr.row-link');

test('errors are listed by how often they occur, filtered in the URL, opened by keys', async ({ api, app }) => {
  const { service } = await sendErrors(api);
  await app.goto(listOf(service));
  await expect(rows(app)).toHaveCount(3);
  await expect(rows(app).first()).toContainText('com.shop.NoStock');
  await expect(rows(app).first()).toContainText(/no stock of book-\d/);
  await expect(rows(app).first()).toContainText('12');
  await expect(rows(app).nth(1)).toContainText(/connect ECONNREFUSED 10\.0/);
  await expect(app.getByRole('status').first()).toContainText('3 errors, 20 occurrences');

  await app.getByRole('button', { name: 'First seen' }).click();
  await expect(app).toHaveURL(/sort=firstSeen/);
  await expect(rows(app).first()).toContainText('ConnectionError');
  await app.getByRole('searchbox').fill('TOKEN');
  await app.getByRole('searchbox').press('Enter');
  await expect(app).toHaveURL(/text=TOKEN/);
  await expect(rows(app)).toHaveCount(1);
  await expect(rows(app).first()).toContainText('ParseError');
  await app.goBack();
  await expect(rows(app)).toHaveCount(3);

  await app.getByRole('main').click({ position: { x: 5, y: 500 } });
  await app.keyboard.press('j');
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(app).toHaveURL(/\/errors\/[0-9a-f-]{36}/);
  await app.getByRole('link', { name: 'Errors', exact: true }).last().click();
  await expect(app).toHaveURL(/\/errors(\?|$)/);
});

test('an error tells where, when and how it fails, and leads to its traces and back', async ({ api, app }) => {
  const { service } = await sendErrors(api);
  await app.goto(`/services/${encodeURIComponent(service)}`);
  await app.getByRole('link', { name: /com\.shop\.NoStock/ }).click();
  await expect(app.locator('.error-text-block')).toHaveText(/^no stock of book-\d+$/);
  await expect(app.locator('.error-pattern')).toContainText('no stock of book-<num>');
  await expect(app.locator('.head-stats')).toContainText('12');
  await expect(app.getByRole('list', { name: 'Operations' })).toContainText('GET /stock');
  await expect(app.getByRole('list', { name: 'Versions' })).toContainText('1.0');
  await expect(app.getByRole('list', { name: 'History' })).toContainText('First seen in 1.0');
  await expect(app.getByRole('group', { name: /^Occurrences over time/ }).locator('path.line')).toBeVisible();

  // Our own frames are there, those of libraries one click away.
  await expect(app.getByText('com.shop.stock.Shelf.take')).toBeVisible();
  await expect(app.getByText('com.shop.stock.ShelfStore.load')).toBeVisible();
  const library = app.getByText('java.base/java.lang.Thread.run');
  await expect(library).toBeHidden();
  await app.getByText('2 frames of libraries').click();
  await expect(library).toBeVisible();
  await app.getByRole('button', { name: 'Text' }).click();
  await expect(app.locator('.stack-raw')).toContainText('Caused by: java.sql.SQLTimeoutException');

  await app.getByRole('table', { name: 'Sample traces' }).getByRole('link').first().click();
  await expect(app).toHaveURL(/\/traces\/[0-9a-f]{32}\?.*span=[0-9a-f]{16}/);
  const details = app.getByRole('complementary', { name: 'Details of the span' });
  await details.getByRole('link', { name: 'All errors like this' }).click();
  await expect(app.locator('.error-text-block')).toHaveText(/^no stock of book-\d+$/);
});

test('an error is resolved, comes back, and several are ignored together', async ({ api, app }) => {
  const { service } = await sendErrors(api);
  await app.goto(listOf(service));
  await app.getByRole('link', { name: /ParseError/ }).click();
  await app.getByRole('button', { name: 'Resolve', exact: true }).click();
  await expect(app.locator('.toolbar .badge')).toHaveText('resolved');
  await expect(app.getByRole('list', { name: 'History' })).toContainText('Resolved by admin');

  await sendFailed(service, '1.2', [{ agoMs: -1_000, operation: 'POST /orders', kind: 'ParseError', message: 'unexpected token at 9' }]);
  await expect.poll(async () => (await errorsOf(api, service)).groups.map((group) => group.state).sort(), { timeout: 60_000 })
    .toEqual(['open', 'open', 'regressed']);
  await app.goto(listOf(service));
  await expect(rows(app).filter({ hasText: 'ParseError' })).toContainText('regressed');

  await app.getByRole('checkbox', { name: 'Select all' }).check();
  await expect(app.getByRole('toolbar', { name: 'Selected errors' })).toContainText('3 selected');
  await app.getByRole('button', { name: 'Ignore', exact: true }).click();
  await expect(app.getByRole('heading', { name: 'No such errors in this time range' })).toBeVisible();
  await app.getByRole('button', { name: 'Ignored' }).click();
  await expect(app).toHaveURL(/state=ignored/);
  await expect(rows(app)).toHaveCount(3);
});

test('a link to no error says so, and a failing server is asked again', async ({ api, app }) => {
  await app.goto('/errors/0190163d-8694-739b-aea5-966c26f8ad91');
  await expect(app.getByRole('heading', { name: 'No such group of errors' })).toBeVisible();
  const { service } = await sendErrors(api);
  const broken = (route) => route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title: 'The database is away', status: 503, code: 'unavailable' }),
  });
  await app.route('**/api/v1/errors?*', broken);
  await app.goto(listOf(service));
  await expect(app.getByRole('alert')).toContainText('The database is away');
  await app.unroute('**/api/v1/errors?*', broken);
  await app.getByRole('button', { name: 'Try again' }).click();
  await expect(rows(app)).toHaveCount(3);
});
