// The heatmap of a service: what is brushed is what opens.
import { test, expect } from '../support/test.js';

const MINUTE_US = 60_000_000;
const MINUTES = 20;
const HEX = (number, length) => number.toString(16).padStart(length, '0');

/**
 * Sends traces that begin at an edge service and reach a new service 90 seconds later: in each of 20
 * minutes four slow and eight quick calls, but for an outage of five. Returns the service, the start and
 * the calls with minute, trace and whether they were slow.
 */
async function sendCalls(request) {
  const service = `heat-${Date.now()}`;
  const startUs = Math.floor(Date.now() / 60_000 - 30) * MINUTE_US;
  const spans = [];
  const calls = [];
  for (let minute = 0; minute < MINUTES; minute += 1) {
    if (minute >= 5 && minute < 10) continue;
    for (let call = 0; call < 12; call += 1) {
      const id = BigInt(Date.now()) * 1_000n + BigInt(minute * 12 + call);
      const traceId = HEX(id, 32);
      const slow = call % 3 === 0;
      const startTime = startUs + minute * MINUTE_US + call * 1_000_000;
      spans.push({
        traceId, spanId: HEX(id * 2n, 16), name: 'GET /', serviceName: `${service}-edge`, kind: 'server',
        startTime: startTime - 1.5 * MINUTE_US, duration: 100_000_000,
      }, {
        traceId, spanId: HEX(id * 2n + 1n, 16), parentSpanId: HEX(id * 2n, 16), name: 'GET /price',
        serviceName: service, kind: 'server', startTime, duration: (slow ? 900_000 : 10_000) + call * 1_000,
      });
      calls.push({ minute, slow, traceId });
    }
  }
  expect((await request.post('/api/v1/spans', { data: spans })).ok()).toBe(true);
  await expect.poll(async () => {
    const answer = await (await request.get(`/api/v1/metrics?metric=count&service=${service}`)).json();
    return answer.series[0].total;
  }).toBe(calls.length);
  return { service, fromMs: startUs / 1000, calls };
}

async function open(app, { service, fromMs }) {
  await app.goto(`/services/${service}?from=${fromMs}&to=${fromMs + MINUTES * 60_000}`);
  const plot = app.getByRole('group', { name: /^Distribution of durations over time/ });
  await expect(app.locator('.heat-legend')).toContainText('spans in a cell');
  await plot.scrollIntoViewIfNeeded();
  return plot;
}

/** The place of a minute's middle and a share of the height from the top, inside of the axes. */
async function place(plot, minute, share) {
  const box = await plot.boundingBox();
  return [box.x + 60 + (box.width - 72) * ((minute + 0.5) / MINUTES), box.y + 8 + (box.height - 30) * share];
}

/** The ids that a search for traces answers. */
async function found(app, action) {
  const answer = app.waitForResponse((response) => /\/api\/v1\/traces\?/.test(response.url()));
  await action();
  const { traces, searched } = await (await answer).json();
  expect(searched.complete).toBe(true);
  return traces.map((trace) => trace.traceId).sort();
}

const ids = (calls, fits) => calls.filter(fits).map((call) => call.traceId).sort();

test('a brushed area opens exactly the traces that it counts', async ({ api, app }) => {
  const sent = await sendCalls(api);
  const plot = await open(app, sent);
  // Something was drawn, and more than one colour of it.
  const colors = await plot.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(data.slice(at, at + 3).join());
    return seen.size;
  });
  expect(colors).toBeGreaterThan(2);

  // A minute without calls is told apart from a duration that no call had.
  await app.mouse.move(...await place(plot, 7, 0.5));
  await expect(plot.locator('.tooltip')).toContainText('no spans at all');
  await app.mouse.move(...await place(plot, 12, 0.5));
  await expect(plot.locator('.tooltip')).toContainText('0 spans');
  // The other charts show the same moment.
  await expect(app.locator('.crosshair')).toHaveCount(4);

  // The upper part of the last five minutes: slow calls.
  await app.mouse.move(...await place(plot, 15, 0.02));
  await app.mouse.down();
  await app.mouse.move(...await place(plot, 19, 0.4), { steps: 5 });
  await app.mouse.up();
  const chosen = app.getByRole('group', { name: 'Chosen area' });
  await expect(chosen).toContainText(/^20 spans, \d+ ms to \d+ ms, \d\d:\d\d to \d\d:\d\d/);
  const slow = ids(sent.calls, (call) => call.slow && call.minute >= 15);
  expect(await found(app, () => chosen.getByRole('link', { name: 'Open traces' }).click())).toEqual(slow);
  await expect(app.getByText(/all 20 traces of the range/i)).toBeVisible();
  await expect(app.getByRole('textbox', { name: 'Minimum duration of the span' })).not.toHaveValue('');

  // Without the lower bound the quick calls of these minutes are found too.
  await app.getByRole('textbox', { name: 'Minimum duration of the span' }).fill('');
  const all = await found(app, () => app.keyboard.press('Enter'));
  expect(all).toEqual(ids(sent.calls, (call) => call.minute >= 15));
  // And by the time of the traces, those that began in these minutes: the calls came 90 seconds later.
  const byTrace = await found(app, () => app.getByRole('button', { name: 'Time of the trace' }).click());
  expect(byTrace).not.toEqual(all);
  expect(byTrace.length).toBeLessThan(all.length);
  await found(app, () => app.getByRole('button', { name: 'Spans of any duration' }).click());
  await found(app, () => app.getByRole('button', { name: 'Any kind' }).click());
  await expect(app).toHaveURL(new RegExp(`service=${sent.service}$`));
});

test('an area is chosen, opened and left with the keys', async ({ api, app }) => {
  const sent = await sendCalls(api);
  const plot = await open(app, sent);
  await plot.focus();
  // The fullest cell of the last minute, and the one before it.
  await app.keyboard.press('ArrowRight');
  await expect(plot.getByRole('status')).toContainText(/^4 spans, 7\d\d ms to 9\d\d ms, /);
  await app.keyboard.press('Shift+ArrowLeft');
  await expect(plot.getByRole('status')).toContainText(/^8 spans/);
  await app.keyboard.press('ArrowDown');
  await expect(plot.getByRole('status')).toContainText(/^0 spans/);
  await app.keyboard.press('Escape');
  await expect(app.getByRole('group', { name: 'Chosen area' })).toHaveCount(0);

  // From the shortest to the longest of the last two minutes.
  await app.keyboard.press('ArrowRight');
  for (let step = 0; step < 45; step += 1) await app.keyboard.press('ArrowDown');
  for (let step = 0; step < 45; step += 1) await app.keyboard.press('Shift+ArrowUp');
  await app.keyboard.press('Shift+ArrowLeft');
  await expect(plot.getByRole('status')).toContainText('24 spans');
  const both = ids(sent.calls, (call) => call.minute >= 18);
  expect(await found(app, () => app.keyboard.press('Enter'))).toEqual(both);

  // Back, the whole range is there again; a selection zooms the page as well.
  await app.goBack();
  await plot.focus();
  await app.keyboard.press('ArrowLeft');
  await app.keyboard.press('Shift+ArrowLeft');
  await app.getByRole('button', { name: 'Zoom to this time' }).click();
  await expect(app).toHaveURL(new RegExp(`from=${sent.fromMs + 18 * 60_000}&to=${sent.fromMs + 20 * 60_000}`));
  await expect(app.getByRole('group', { name: 'Chosen area' })).toHaveCount(0);
  await expect(app.locator('.heat-gap')).toHaveCount(0);
});

test('the duration of a span is asked for by hand', async ({ api, app }) => {
  const sent = await sendCalls(api);
  await app.goto(`/traces?service=${sent.service}&from=${sent.fromMs - 120_000}&to=${sent.fromMs + MINUTES * 60_000}`);
  await app.getByRole('button', { name: '+ of the span' }).click();
  await expect(app.getByRole('textbox', { name: 'Minimum duration of the span' })).toBeFocused();
  await app.keyboard.type('fast');
  await expect(app.getByRole('alert')).toContainText('Durations need a unit');
  await app.getByRole('textbox', { name: 'Minimum duration of the span' }).fill('500ms');
  const slow = await found(app, () => app.keyboard.press('Enter'));
  expect(slow).toEqual(ids(sent.calls, (call) => call.slow));
  await expect(app).toHaveURL(/spanMin=500ms/);
});
