// Pictures of every page, dark and light, large and small; and that no page needs to be scrolled
// sideways. UPDATE_SCREENSHOTS=1 renews the one in the README.
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { test, expect } from '../support/test.js';
import { settled } from '../support/axe.js';
import { sendErrors } from '../support/errors.js';
import { customMetric } from '../support/metrics.js';
import { checkoutTrace, inGraph, sendLogsFromNode, waitForLogs } from '../support/traces.js';

const SCREENSHOTS = fileURLToPath(new URL('../test-results/screenshots/', import.meta.url));
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const SIZES = [{ width: 1440, height: 900 }, { width: 1024, height: 768 }];

for (const colorScheme of ['dark', 'light']) {
  for (const viewport of SIZES) {
    test.describe(`${colorScheme} ${viewport.width}x${viewport.height}`, () => {
      test.use({ colorScheme, viewport });

      const shoot = async (page, name) => {
        await settled(page);
        const { scrollWidth, clientWidth } = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement;
          return { scrollWidth, clientWidth };
        });
        expect(scrollWidth, `${name} is wider than the window`).toBeLessThanOrEqual(clientWidth);
        await mkdir(SCREENSHOTS, { recursive: true });
        const path = join(SCREENSHOTS, `${name}-${colorScheme}-${viewport.width}x${viewport.height}.png`);
        await page.screenshot({ path });
        return path;
      };

      test('log-in', async ({ page }) => {
        await page.goto('/login');
        await expect(page.getByRole('heading', { name: 'Log in to Spanloom' })).toBeVisible();
        await shoot(page, 'login');
      });

      test('services and search', async ({ api, app }) => {
        for (const item of ['book', 'broken', 'piano', 'book']) await checkoutTrace(api, item);
        await app.goto('/');
        await expect(app.getByRole('link', { name: 'gateway', exact: true })).toBeVisible();
        await shoot(app, 'services');
        await app.goto('/services/gateway');
        await expect(app.locator('.operations')).toBeVisible();
        await shoot(app, 'service');
        await inGraph(api, 'gateway');
        await app.goto('/map?callee=service:gateway');
        await expect(app.locator('.map-node.selected')).toBeVisible();
        await shoot(app, 'map');
        await app.goto('/traces');
        await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem').nth(3)).toBeVisible();
        await shoot(app, 'search');
        await app.goto('/traces?service=nobody');
        await expect(app.getByRole('heading', { name: /no traces/i })).toBeVisible();
        await shoot(app, 'search-empty');
      });

      test('errors', async ({ api, app }) => {
        const { service } = await sendErrors(api);
        await app.goto(`/errors?service=${encodeURIComponent(service)}`);
        await expect(app.locator('tr.row-link')).toHaveCount(3);
        await shoot(app, 'errors');
        await app.getByRole('link', { name: /com\.shop\.NoStock/ }).click();
        await expect(app.getByRole('heading', { name: 'Stack trace' })).toBeVisible();
        await shoot(app, 'error');
        await app.goto('/errors?service=nobody');
        await expect(app.getByRole('heading', { name: /no such errors/i })).toBeVisible();
        await shoot(app, 'errors-empty');
      });

      test('logs', async ({ api, app }) => {
        const service = `logs-shot-${colorScheme}-${viewport.width}-${Date.now()}`;
        const { traceId } = await sendLogsFromNode('json', service);
        await waitForLogs(api, service, 3);
        await app.goto(`/logs?service=${service}`);
        await app.getByRole('button', { name: /card was declined/ }).click();
        await expect(app.getByRole('complementary', { name: 'Details of the record' })).toBeVisible();
        await shoot(app, 'logs');
        await app.goto(`/traces/${traceId}?view=logs`);
        await expect(app.getByRole('button', { name: /card was declined/ })).toBeVisible();
        await shoot(app, 'trace-logs');
        await app.goto('/logs?text=nosuchword');
        await expect(app.getByRole('heading', { name: 'No log records found' })).toBeVisible();
        await shoot(app, 'logs-empty');
        await app.goto('/settings/log-links');
        await expect(app.getByRole('heading', { name: 'Log links', level: 2 })).toBeVisible();
        await shoot(app, 'log-links');
      });

      test('storage', async ({ api, app }) => {
        await checkoutTrace(api, 'book');
        await app.goto('/settings/storage');
        await expect(app.getByRole('table', { name: 'Services' })).toBeVisible();
        await shoot(app, 'storage');
      });

      test('metrics', async ({ api, app }) => {
        const { id, name } = await customMetric(api);
        await app.goto('/custom-metrics');
        await expect(app.getByRole('row', { name: new RegExp(name) }).locator('.spark path')).toBeVisible();
        await shoot(app, 'metrics');
        await app.goto(`/custom-metrics/${id}`);
        await expect(app.getByRole('table', { name: 'Groups' }).getByRole('row')).toHaveCount(4);
        await shoot(app, 'metric');
        await app.goto(`/custom-metrics/${id}/edit`);
        await expect(app.getByRole('region', { name: 'Preview' }).locator('path.line')).toHaveCount(3);
        await shoot(app, 'metric-edit');
      });

      test('trace', async ({ api, app }) => {
        const { traceId, trace } = await checkoutTrace(api, 'broken');
        const failed = trace.spans.find((span) => span.statusMessage === 'the shelf is broken');
        await app.goto(`/traces/${traceId}`);
        await expect(app.getByRole('treeitem')).not.toHaveCount(0);
        await shoot(app, 'trace');
        await app.goto(`/traces/${traceId}?span=${failed.spanId}`);
        await expect(app.getByRole('complementary', { name: 'Details of the span' })).toContainText('RangeError');
        const path = await shoot(app, 'trace-span');
        if (process.env.UPDATE_SCREENSHOTS === '1' && colorScheme === 'dark' && viewport === SIZES[0]) {
          await mkdir(IMAGES, { recursive: true });
          await copyFile(path, join(IMAGES, 'trace.png'));
        }
      });
    });
  }
}
