// axe-core on every page, in both themes.
import { test } from '../support/test.js';
import { expect } from '../support/test.js';
import { expectAccessible } from '../support/axe.js';
import { sendErrors } from '../support/errors.js';
import { customMetric } from '../support/metrics.js';
import { checkoutTrace, inGraph, sendLogsFromNode, waitForLogs } from '../support/traces.js';

for (const colorScheme of ['dark', 'light']) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test('log-in', async ({ page }) => {
      await page.goto('/login');
      await expect(page.getByRole('heading', { name: 'Log in to Spanloom' })).toBeVisible();
      await expectAccessible(page);
    });

    test('services', async ({ api, app }) => {
      await checkoutTrace(api, 'book');
      await app.goto('/');
      await expect(app.getByRole('link', { name: 'gateway', exact: true })).toBeVisible();
      await expectAccessible(app);
    });

    test('service', async ({ api, app }) => {
      await checkoutTrace(api, 'broken');
      await app.goto('/services/gateway');
      await expect(app.locator('.operations')).toBeVisible();
      await expect(app.locator('.heat-legend')).toBeVisible();
      await app.getByRole('group', { name: /^Distribution of durations/ }).press('ArrowLeft');
      await expect(app.getByRole('group', { name: 'Chosen area' })).toBeVisible();
      await expectAccessible(app);
    });

    test('service map', async ({ api, app }) => {
      await checkoutTrace(api, 'broken');
      await inGraph(api, 'gateway');
      await app.goto('/map?callee=service:gateway');
      await expect(app.locator('.map-node.selected')).toBeVisible();
      await expect(app.getByRole('complementary', { name: 'Selection' }).locator('path.line').first()).toBeAttached();
      await expectAccessible(app);
    });

    test('errors', async ({ api, app }) => {
      const { service } = await sendErrors(api);
      await app.goto(`/errors?service=${encodeURIComponent(service)}`);
      await app.getByRole('checkbox', { name: /^Select com\.shop/ }).first().check();
      await expect(app.getByRole('toolbar', { name: 'Selected errors' })).toBeVisible();
      await expectAccessible(app);
      await app.getByRole('link', { name: /com\.shop\.NoStock/ }).click();
      await expect(app.getByRole('heading', { name: 'Stack trace' })).toBeVisible();
      await expectAccessible(app);
    });

    test('search', async ({ api, app }) => {
      await checkoutTrace(api, 'broken');
      await app.goto('/traces?service=gateway');
      await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem').first()).toBeVisible();
      await expectAccessible(app);
      await app.goto('/traces?service=gateway&spanMin=1ns&spanMax=1h&kind=server&kind=consumer&timeOf=span');
      await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem').first()).toBeVisible();
      await expectAccessible(app);
    });

    test('trace', async ({ api, app }) => {
      const { traceId, trace } = await checkoutTrace(api, 'broken');
      const failed = trace.spans.find((span) => span.status === 'error');
      await app.goto(`/traces/${traceId}?span=${failed.spanId}`);
      await expect(app.getByRole('complementary', { name: 'Details of the span' })).toBeVisible();
      await expectAccessible(app);
    });

    test('metrics', async ({ api, app }) => {
      const { id, name } = await customMetric(api);
      await app.goto('/custom-metrics');
      await expect(app.getByRole('link', { name, exact: true })).toBeVisible();
      await expectAccessible(app);
      await app.goto(`/custom-metrics/${id}`);
      await expect(app.getByRole('table', { name: 'Groups' }).getByRole('row')).toHaveCount(4);
      await expectAccessible(app);
      await app.goto(`/custom-metrics/${id}/edit`);
      await expect(app.getByRole('region', { name: 'Preview' }).locator('path.line')).toHaveCount(3);
      await expectAccessible(app);
    });

    test('logs', async ({ api, app }) => {
      const service = `logs-a11y-${colorScheme}-${Date.now()}`;
      const { traceId } = await sendLogsFromNode('json', service);
      await waitForLogs(api, service, 3);
      await app.goto(`/logs?service=${service}`);
      await app.getByRole('button', { name: /card was declined/ }).click();
      await expect(app.getByRole('complementary', { name: 'Details of the record' })).toBeVisible();
      await expectAccessible(app);
      await app.goto(`/traces/${traceId}?view=logs`);
      await expect(app.getByRole('button', { name: /card was declined/ })).toBeVisible();
      await expectAccessible(app);
    });

    for (const section of ['', '/people', '/keys', '/sampling', '/log-links']) {
      test(`settings${section}`, async ({ app }) => {
        await app.goto(`/settings${section}`);
        await expect(app.getByRole('main')).toBeVisible();
        await expectAccessible(app);
      });
    }

    test('storage', async ({ api, app }) => {
      await checkoutTrace(api, 'book');
      await app.goto('/settings/storage');
      await expect(app.getByRole('table', { name: 'Services' })).toBeVisible();
      await expectAccessible(app);
    });
  });
}
