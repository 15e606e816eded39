// Log-in, log-out and theme in the browser.
import { test, expect, USERNAME } from '../support/test.js';

async function fillIn(page, password) {
  await page.getByLabel('Name', { exact: true }).fill(USERNAME);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test('a wrong password is refused, the right one opens the page that was asked for', async ({ page }) => {
  await page.goto('/traces?status=error');
  await expect(page).toHaveURL(/\/login/);
  await fillIn(page, 'not the password');
  await expect(page.getByRole('alert')).toContainText('Name or password is wrong');
  await expect(page).toHaveURL(/\/login/);

  await fillIn(page, process.env.E2E_PASSWORD);
  await expect(page).toHaveURL(/\/traces\?.*status=error/);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
});

test('the session is in cookies that scripts cannot read, except the CSRF token', async ({ app, context }) => {
  await app.goto('/');
  await expect(app.getByRole('navigation', { name: 'Main' })).toBeVisible();
  expect(await app.evaluate(() => document.cookie)).toMatch(/^spanloom_csrf=[^;]+$/);
  const cookies = Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
  expect(cookies.spanloom_access).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  expect((await context.cookies(`${process.env.E2E_URL}/api/v1/auth/refresh`)).find((cookie) => cookie.name === 'spanloom_refresh'))
    .toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/api/v1/auth' });
});

test('logging out ends the session everywhere', async ({ app }) => {
  await app.goto('/');
  await app.getByRole('button', { name: 'Your account' }).click();
  await expect(app.getByRole('dialog', { name: 'Your account' })).toContainText(USERNAME);
  await app.getByRole('button', { name: 'Log out' }).click();
  await expect(app).toHaveURL(/\/login/);
  await expect(app.getByRole('heading', { name: 'Log in to Spanloom' })).toBeVisible();

  expect((await app.request.get('/api/v1/traces')).status()).toBe(401);
  await app.goto('/traces');
  await expect(app).toHaveURL(/\/login/);
});

test('the theme that was chosen stays', async ({ app }) => {
  await app.goto('/');
  const root = app.locator('html');
  await expect(root).toHaveAttribute('data-theme', 'dark');
  const textColor = () => app.evaluate(() => getComputedStyle(document.body).color);
  const dark = await textColor();
  await app.getByRole('button', { name: 'Dark or light' }).click();
  await expect(root).toHaveAttribute('data-theme', 'light');
  await expect.poll(textColor).not.toBe(dark);
  await app.reload();
  await expect(root).toHaveAttribute('data-theme', 'light');
  await app.getByRole('button', { name: 'Dark or light' }).click();
  await expect(root).toHaveAttribute('data-theme', 'dark');
});
