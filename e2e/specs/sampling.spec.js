// Settings ▸ Sampling: policies are added, tried, saved; two people do not overwrite each other; a
// stock SDK asks for its strategy.
import { randomBytes } from 'node:crypto';

import { ROOT_CONTEXT, SpanKind } from '@opentelemetry/api';
import { JaegerRemoteSampler } from '@opentelemetry/sampler-jaeger-remote';

import { test, expect } from '../support/test.js';
import { checkoutTrace } from '../support/traces.js';

/** Puts back what other specs rely on: everything is kept. */
async function reset(api) {
  const { version } = await (await api.get('/api/v1/sampling')).json();
  await save(api, version, {});
}

async function save(api, version, settings) {
  const token = (await api.storageState()).cookies.find((cookie) => cookie.name === 'spanloom_csrf').value;
  const response = await api.put('/api/v1/sampling', { headers: { 'X-CSRF-Token': token }, data: { version, settings } });
  expect(response.status(), await response.text()).toBe(200);
}

test.beforeEach(({ api }) => reset(api));
test.afterEach(({ api }) => reset(api));

const open = async (app) => {
  await app.goto('/settings/sampling');
  await expect(app.getByRole('heading', { name: 'Sampling', exact: true, level: 2 })).toBeVisible();
};

test('policies are added, changed, ordered, tried and saved', async ({ api, app }) => {
  await checkoutTrace(api, 'book');
  await checkoutTrace(api, 'broken');
  await open(app);
  await expect(app.getByText('Every trace is kept.')).toBeVisible();
  await app.getByRole('button', { name: 'Keep errors, slow traces and 10% of the rest' }).click();
  await expect(app.getByText('Not saved yet')).toBeVisible();
  await expect(app.getByText('Keeps traces with a span of status error')).toBeVisible();

  // A policy with rules in it, by keyboard alone.
  await app.getByRole('button', { name: 'Add policy' }).focus();
  await app.keyboard.press('Enter');
  const dialog = app.getByRole('dialog', { name: 'Add policy' });
  await dialog.getByLabel('Name').fill('no health checks');
  await dialog.getByLabel('Type').first().selectOption('drop');
  await dialog.getByLabel(/^Key/).fill('url.path');
  await dialog.getByLabel(/^Values, one/).fill('/health\n/ready');
  await dialog.getByLabel(/^Values, one/).press('Tab');
  await dialog.getByRole('button', { name: 'Add policy' }).press('Enter');
  await expect(app.getByText('Drops traces where url.path is /health or /ready')).toBeVisible();

  await app.getByRole('button', { name: 'Change slow' }).click();
  const change = app.getByRole('dialog', { name: 'Change policy' });
  await expect(change.getByLabel('At least')).toHaveValue('1000');
  await change.getByLabel('At least').fill('soon');
  await change.getByRole('button', { name: 'Apply' }).click();
  await expect(change.getByText('must be a whole number')).toBeVisible();
  await change.getByLabel('At least').fill('250');
  await change.getByRole('button', { name: 'Apply' }).click();
  await expect(app.getByText('Keeps traces of 250 ms or longer')).toBeVisible();

  await app.getByRole('button', { name: 'Move no health checks up' }).click();
  await app.getByRole('checkbox', { name: 'rest is on' }).uncheck();
  await app.getByRole('button', { name: 'Delete slow' }).click();
  await app.getByRole('dialog', { name: 'Delete slow?' }).getByRole('button', { name: 'Delete' }).click();

  await app.getByRole('button', { name: 'Dry run' }).click();
  const gateway = app.getByRole('row', { name: /^gateway/ });
  await expect(gateway).toBeVisible();
  await expect(app.getByText(/were looked at/)).toBeVisible();

  await app.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(app.getByText(/^Version \d+, saved by admin/)).toBeVisible();
  const { settings } = await (await api.get('/api/v1/sampling')).json();
  expect(settings.policies.map((policy) => [policy.name, policy.enabled])).toEqual([
    ['errors', true], ['no health checks', true], ['rest', false],
  ]);
  await app.reload();
  await expect(app.getByRole('checkbox', { name: 'rest is on' })).not.toBeChecked();
});

test('what the server refuses is shown where it is', async ({ app }) => {
  await open(app);
  await app.getByRole('button', { name: 'Add policy' }).click();
  const dialog = app.getByRole('dialog', { name: 'Add policy' });
  await dialog.getByLabel('Name').fill('routes');
  await dialog.getByLabel('Type').selectOption('string_attribute');
  await dialog.getByLabel(/^Key/).fill('http.route');
  await dialog.getByLabel(/^Values, one/).fill('(');
  await dialog.getByLabel('Values are regular expressions').check();
  await dialog.getByRole('button', { name: 'Add policy' }).click();
  await app.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(app.getByRole('row', { name: /routes/ })).toContainText('is not a regular expression');
  await app.getByRole('button', { name: 'Change routes' }).click();
  await expect(app.getByRole('dialog', { name: 'Change policy' })).toContainText('is not a regular expression');
});

test('two people do not overwrite each other, and earlier settings come back', async ({ api, app }) => {
  await open(app);
  await app.getByLabel("Wait for a trace's spans").fill('20');
  await app.getByLabel("Wait for a trace's spans").blur();
  const { version } = await (await api.get('/api/v1/sampling')).json();
  await save(api, version, { policies: [{ name: 'all', rule: { type: 'always_sample' } }] });
  await app.getByRole('button', { name: 'Save', exact: true }).click();
  const notice = app.getByRole('alert').filter({ hasText: 'saved version' });
  await expect(notice).toContainText(`admin saved version ${version + 1} while you were changing version ${version}.`);
  await notice.getByRole('button', { name: 'Show theirs' }).click();
  await expect(app.getByText('Keeps every trace')).toBeVisible();

  await app.getByRole('button', { name: 'History' }).click();
  await app.getByRole('button', { name: `Take version ${version} up again` }).click();
  await expect(app.getByText('Every trace is kept.')).toBeVisible();
  await app.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(app.getByText(`Version ${version + 2}, saved by admin`)).toBeVisible();
});

test('clients are told what the page says', async ({ app }) => {
  await open(app);
  await app.getByRole('button', { name: 'Add service' }).click();
  const dialog = app.getByRole('dialog', { name: 'Add service' });
  await dialog.getByLabel(/^Service/).fill('gateway');
  await dialog.getByRole('textbox', { name: 'Share of the traces' }).fill('25');
  await dialog.getByLabel(/^Operations apart/).fill('GET /health = 0');
  await dialog.getByRole('button', { name: 'Add service' }).click();
  await expect(app.getByText('25% of the traces, 1 operation apart')).toBeVisible();
  await app.getByRole('button', { name: 'Save', exact: true }).click();
  await expect.poll(async () => {
    const response = await fetch(`${process.env.E2E_JAEGER_SAMPLING}/sampling?service=gateway`);
    return response.json();
  }).toEqual({
    strategyType: 'PROBABILISTIC',
    probabilisticSampling: { samplingRate: 0.25 },
    operationSampling: {
      defaultSamplingProbability: 0.25,
      defaultLowerBoundTracesPerSecond: 0,
      perOperationStrategies: [{ operation: 'GET /health', probabilisticSampling: { samplingRate: 0 } }],
    },
  });
});

test('the stock remote sampler of the OpenTelemetry SDK does what the settings say', async ({ api }) => {
  const { version } = await (await api.get('/api/v1/sampling')).json();
  await save(api, version, { head: { services: { shop: { probability: 0.25, operations: { 'GET /health': 0 } } } } });
  const never = { shouldSample: () => ({ decision: -1 }), toString: () => 'not told yet' };
  const sampler = new JaegerRemoteSampler({
    endpoint: process.env.E2E_JAEGER_SAMPLING, serviceName: 'shop', initialSampler: never, poolingInterval: 200,
  });
  // RECORD_AND_SAMPLED is 2.
  const share = (operation) => {
    const kept = Array.from({ length: 1_000 }, () => {
      const traceId = randomBytes(16).toString('hex');
      return sampler.shouldSample(ROOT_CONTEXT, traceId, operation, SpanKind.SERVER, {}, []).decision === 2;
    });
    return kept.filter(Boolean).length / kept.length;
  };
  // Nothing before it is told, everything until the settings are in force.
  await expect.poll(() => Math.abs(share('POST /checkout') - 0.25)).toBeLessThan(0.1);
  expect(share('GET /health')).toBe(0);
});

test('a viewer reads and cannot change', async ({ api, page }) => {
  const token = (await api.storageState()).cookies.find((cookie) => cookie.name === 'spanloom_csrf').value;
  const viewer = { username: `viewer-${Date.now()}`, password: 'a password to look around' };
  const added = await api.post('/api/v1/users', { headers: { 'X-CSRF-Token': token }, data: { ...viewer, role: 'viewer' } });
  expect(added.status()).toBe(201);
  await page.request.post('/api/v1/auth/login', { data: viewer });
  await open(page);
  await expect(page.getByText('Read only: needs the role Editor')).toBeVisible();
  await expect(page.getByLabel("Wait for a trace's spans")).toBeDisabled();
  for (const name of ['Dry run', 'Add policy', 'Add service']) {
    await expect(page.getByRole('button', { name })).toHaveCount(0);
  }
});
