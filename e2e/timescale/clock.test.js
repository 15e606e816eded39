// Metrics while time passes: a clock that the test moves, the refreshes that the policies would make at that
// time, and plain SQL over the spans beside every view. The server's own tests do the same with the real
// writer, on plain PostgreSQL or on a native TimescaleDB.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { database, value } from './database.js';
import { insertSpans } from './fixture.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const VIEWS = { metrics_minute: 'minute', metrics_hour: 'hour', metrics_day: 'day' };
/** How old what a policy leaves out is, by level, and how often it runs. */
const POLICIES = [['metrics_1m', MINUTE_MS, 1], ['metrics_1h', 0, 10], ['metrics_1d', 0, 60]];

const iso = (ms) => new Date(ms).toISOString();

async function setClock(db, now) {
  await db.exec(`CREATE OR REPLACE FUNCTION spanloom_now() RETURNS timestamptz
                 LANGUAGE sql STABLE AS $$ SELECT timestamptz '${iso(now)}' $$`);
}

async function refresh(db, level, now, endMs) {
  await db.query('SELECT roll_up_metrics()');
  await db.query(`CALL refresh_continuous_aggregate('${level}', timestamptz '${iso(now - 3 * DAY_MS)}', timestamptz '${iso(now - endMs)}')`);
}

/** Every minute, hour and day of every series against the spans, by operation and by service. */
async function compare(db, now, when) {
  for (const [name, unit] of Object.entries(VIEWS)) {
    await compareBy(db, now, when, name, unit, 'operation_id');
    await compareBy(db, now, when, `service_${name}`, unit, '0');
  }
}

async function compareBy(db, now, when, view, unit, operation) {
  const differing = await value(db, `
    SELECT string_agg(concat_ws(' ', at, 'counted', m.spans, 'are', s.spans), '; ') FROM (
      SELECT date_trunc('${unit}', time) AS at, service_id, ${operation} AS operation, kind, status,
             sum(span_count) AS spans, sum(duration_ns_sum) AS ns
      FROM ${view} GROUP BY 1, 2, 3, 4, 5
    ) m FULL JOIN (
      SELECT date_trunc('${unit}', start_time) AS at, service_id, ${operation} AS operation, kind, status,
             count(*)::float8 AS spans, sum(duration_ns)::float8 AS ns
      FROM spans GROUP BY 1, 2, 3, 4, 5
    ) s USING (at, service_id, operation, kind, status)
    WHERE m.spans IS DISTINCT FROM s.spans OR m.ns IS DISTINCT FROM s.ns`);
  assert.equal(differing, null, `${view} at ${iso(now)}, ${when}: ${differing}`);
}

test('while time passes every level equals the spans, at every minute around midnight and each hour', async (t) => {
  const db = await database(t, 'timescale');
  const start = Math.floor(Date.now() / DAY_MS) * DAY_MS - 3 * DAY_MS + 22 * HOUR_MS;
  let firstTrace = 0;
  const insert = async (from, to) => {
    await insertSpans(db, { from: iso(from), to: iso(to), traces: 1, firstTrace });
    firstTrace += 1;
  };
  let steps = 0;
  for (let minute = 0; minute < 5 * 60; minute += 1) {
    const isMidnight = minute >= 115 && minute < 140;
    if (!isMidnight && (minute + 2) % 60 >= 4 && minute % 10 !== 0) continue;
    steps += 1;
    const now = start + minute * MINUTE_MS + MINUTE_MS / 2;
    await setClock(db, now);
    await insert(now - 20_000, now);
    // Eight minutes late: often of another hour, and of yesterday.
    if (steps % 3 === 0) await insert(now - 8 * MINUTE_MS, now - 7 * MINUTE_MS);
    await compare(db, now, 'before a refresh');
    for (const [level, endMs, minutes] of POLICIES) {
      if (minute % minutes !== 0) continue;
      await refresh(db, level, now, endMs);
      await compare(db, now, `after a refresh of ${level}`);
    }
    if (minute % 60 === 1) {
      for (const hours of [1, 5, 80]) await insert(now - hours * HOUR_MS, now - hours * HOUR_MS + 1);
      // By hand, as for spans that are later than the policies look back: what is open is stored too.
      await db.query('SELECT roll_up_metrics()');
      for (const [level] of POLICIES) await db.query(`CALL refresh_continuous_aggregate('${level}', NULL, NULL)`);
      await compare(db, now, 'after late spans');
      // Of the hour, and the day, that was stored a moment ago.
      await insert(now - 8 * MINUTE_MS, now - 7 * MINUTE_MS);
      await compare(db, now, 'after a late span that no refresh has seen');
      // The next step is later than a minute must wait for the next refresh.
      await refresh(db, 'metrics_1m', now, MINUTE_MS);
    }
  }
  assert.ok(steps > 60, `${steps} steps`);
});
