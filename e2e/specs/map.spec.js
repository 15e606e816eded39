// The service map: what it shows, where it leads, and that it stays still.
import { readFile } from 'node:fs/promises';

import { test, expect } from '../support/test.js';

const HEX = (number, length) => number.toString(16).padStart(length, '0');
let next = BigInt(Date.now()) * 1_000_000n;

/** A call of 20 ms, failed or not; one of a database if `callee` begins with `db:`. */
function call(caller, callee, failed = false) {
  const [traceId, client, server] = [next++, next++, next++];
  const startTime = (Date.now() - 60_000) * 1000;
  const status = failed ? 'error' : 'unset';
  const database = callee.startsWith('db:')
    ? { tags: { 'db.system.name': 'postgresql', 'db.namespace': callee.slice(3) }, status } : {};
  const spans = [{
    traceId: HEX(traceId, 32), spanId: HEX(client, 16), name: 'call', serviceName: caller, kind: 'client',
    startTime, duration: 20_000, ...database,
  }];
  if (!callee.startsWith('db:')) {
    spans.push({
      traceId: HEX(traceId, 32), spanId: HEX(server, 16), parentSpanId: HEX(client, 16), name: 'handle',
      serviceName: callee, kind: 'server', startTime: startTime + 1000, duration: 10_000, status,
    });
  }
  return spans;
}

/** Sends a small shop under a name of its own: web → shop → stock, shop → database, web → mail. */
async function sendShop(request) {
  const run = `m${Date.now() % 1e9}`;
  const name = (service) => `${service}-${run}`;
  const spans = [
    call(name('web'), name('shop')), call(name('web'), name('shop')), call(name('web'), name('shop'), true),
    call(name('shop'), name('stock')), call(name('shop'), `db:${run}`), call(name('web'), name('mail')),
  ].flat();
  await send(request, spans);
  await expect.poll(async () => {
    const graph = await (await request.get(`/api/v1/dependencies?service=${name('web')}&depth=16`)).json();
    return graph.edges.length;
  }).toBe(4);
  return name;
}

async function send(request, spans) {
  for (let at = 0; at < spans.length; at += 500) {
    const sent = await request.post('/api/v1/spans', { data: spans.slice(at, at + 500) });
    expect(sent.ok()).toBe(true);
  }
}

const node = (app, name) => app.getByRole('button', { name: new RegExp(`^${name}, `) });
const panel = (app) => app.getByRole('complementary', { name: 'Selection' });

test('an edge leads to exactly the traces of its calls', async ({ api, app }) => {
  const name = await sendShop(api);
  await app.goto(`/map?focus=service:${name('web')}`);
  await expect(app.locator('.map-node')).toHaveCount(5);
  await expect(node(app, name('shop'))).toHaveAccessibleName(/Service: .*, 33\.3% errors, p95 /);
  await expect(app.locator(`.map-edge[data-callee="service:${name('shop')}"] .map-curve`)).toHaveClass(/bad/);

  // The keyboard reaches a node, and the panel its edges.
  await node(app, name('web')).focus();
  await app.keyboard.press('ArrowRight');
  await expect(app.locator('.map-button:focus')).not.toHaveAccessibleName(new RegExp(`^${name('web')}`));
  await node(app, name('shop')).focus();
  await app.keyboard.press('Enter');
  await expect(panel(app)).toContainText('Called by');
  await expect(panel(app)).toContainText(`${name('web')}75%`);
  await panel(app).getByRole('button', { name: name('web') }).click();
  await expect(app).toHaveURL(/caller=service:web-.*&callee=service:shop-/);
  await expect(panel(app)).toContainText('HTTP');
  await expect(panel(app).locator('path.line')).toHaveCount(5);

  await panel(app).getByRole('link', { name: 'Traces of these calls' }).click();
  await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem')).toHaveCount(3);
  await expect(app.locator('.call-chip')).toHaveText(`${name('web')} → ${name('shop')}`);
  await app.goBack();
  await panel(app).getByRole('link', { name: 'Failed' }).click();
  await expect(app.getByRole('list', { name: 'Traces' }).getByRole('listitem')).toHaveCount(1);
  await app.getByRole('button', { name: 'Any call' }).click();
  await expect(app).not.toHaveURL(/callee/);
});

test('the map stays still while data changes, and shows less by kind and around a node', async ({ api, app }) => {
  const name = await sendShop(api);
  await app.goto(`/map?focus=service:${name('web')}`);
  await expect(app.locator('.map-node')).toHaveCount(5);
  const places = () => app.locator('.map-node').evaluateAll((nodes) => Object.fromEntries(
    nodes.map((it) => [it.dataset.callee, it.getAttribute('transform')])));
  const before = await places();
  const camera = await app.locator('#map-content').getAttribute('transform');
  await send(api, [call(name('stock'), name('robot')), call(name('mail'), name('robot'))].flat());
  await expect.poll(async () => {
    await app.keyboard.press('r');
    return app.locator('.map-node').count();
  }).toBe(6);
  expect(await places()).toMatchObject(before);
  expect(await app.locator('#map-content').getAttribute('transform')).toBe(camera);

  await app.getByRole('button', { name: 'Databases' }).click();
  await expect(app.locator('.map-node')).toHaveCount(5);
  await app.getByRole('button', { name: 'Databases' }).click();
  await app.getByLabel('Least share of errors').selectOption({ label: '≥ 5 %' });
  await expect(app.locator('.map-node')).toHaveCount(2);
  await app.getByLabel('Least share of errors').selectOption({ label: 'Any errors' });

  await app.getByLabel('Find a node').fill(name('stock'));
  await app.keyboard.press('Enter');
  await expect(panel(app)).toContainText(name('stock'));
  await expect(panel(app)).toContainText('share of calls affected');
  await panel(app).getByRole('button', { name: '1 call' }).click();
  await expect(app.locator('.map-node')).toHaveCount(3);
  await app.getByRole('button', { name: 'Show the whole map' }).click();
  await expect(app).not.toHaveURL(/focus/);
});

test('the map is saved as an SVG that stands alone', async ({ api, app }) => {
  const name = await sendShop(api);
  await app.goto(`/map?focus=service:${name('web')}`);
  await expect(app.locator('.map-node')).toHaveCount(5);
  const download = app.waitForEvent('download');
  await app.getByRole('button', { name: 'Save as SVG' }).click();
  const svg = await readFile(await (await download).path(), 'utf8');
  const found = await app.evaluate((text) => {
    const doc = new DOMParser().parseFromString(text, 'image/svg+xml');
    return { errors: doc.querySelectorAll('parsererror').length, nodes: doc.querySelectorAll('.map-node').length };
  }, svg);
  expect(found).toEqual({ errors: 0, nodes: 5 });
  expect(svg).not.toContain('var(');
});

test('hundreds of services are drawn, zoomed and found', async ({ api, app }) => {
  const run = `n${Date.now() % 1e9}`;
  const calls = [];
  for (let at = 1; at < 300; at += 1) calls.push(call(`${run}-${Math.floor((at - 1) / 4)}`, `${run}-${at}`));
  await send(api, calls.flat());
  await expect.poll(async () => {
    const graph = await (await api.get(`/api/v1/dependencies?service=${run}-0&depth=16`)).json();
    return graph.edges.length;
  }).toBe(299);
  await app.goto(`/map?focus=service:${run}-0`);
  await expect(app.locator('.map-node')).toHaveCount(300);
  await expect(app.locator('.map-svg')).toHaveClass(/far/);
  await app.getByLabel('Find a node').fill(`${run}-299`);
  await app.keyboard.press('Enter');
  await expect(panel(app)).toContainText(`${run}-299`);
  const box = await app.locator('.map-canvas').boundingBox();
  await app.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let turn = 0; turn < 12; turn += 1) await app.mouse.wheel(0, -200);
  await expect(app.locator('.map-svg')).not.toHaveClass(/far/);
  await app.keyboard.press('Escape');
  await app.getByRole('button', { name: 'Show all (0)' }).click();
  await expect(app.locator('.map-svg')).toHaveClass(/far/);
});
