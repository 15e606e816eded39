// What every spec starts from: `api` speaks to the server as the admin, `app` is a page of the
// browser in which the admin is logged in.
import { test as base, expect } from '@playwright/test';

export { expect };

export const USERNAME = 'admin';

/** Logs in through the API; the session's cookies stay in `request`, and in its page if it has one. */
export async function logIn(request, password = process.env.E2E_PASSWORD) {
  return request.post('/api/v1/auth/login', { data: { username: USERNAME, password } });
}

export const test = base.extend({
  baseURL: async ({}, use) => use(process.env.E2E_URL),

  api: async ({ playwright }, use) => {
    const request = await playwright.request.newContext({ baseURL: process.env.E2E_URL });
    expect((await logIn(request)).status()).toBe(200);
    await use(request);
    await request.dispose();
  },

  /** Fails the test that saw a script error, also where nothing visible came of it. */
  page: async ({ page }, use) => {
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    await use(page);
    expect(errors, 'script errors in the page').toEqual([]);
  },

  app: async ({ page }, use) => {
    expect((await logIn(page.request)).status()).toBe(200);
    await use(page);
  },
});
