// The TimescaleDB migrations on a real TimescaleDB: that they apply, that the aggregates' numbers
// are those of plain SQL, that compression and retention lose nothing they should keep, and that
// the schema has the same shape as on plain PostgreSQL.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { database, rows, statements, value } from './database.js';
import { insertSpans, metricsFrom, metricsFromSpans } from './fixture.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEVELS = { metrics_1m: 'minute', metrics_1h: 'hour', metrics_1d: 'day' };
const now = Date.now();
const ago = (ms) => new Date(now - ms).toISOString();

/** Brings the three levels up to date, as the job and the policies do one after the other. */
async function refreshAll(db) {
  await db.query('SELECT roll_up_metrics()');
  for (const level of Object.keys(LEVELS)) await db.query(`CALL refresh_continuous_aggregate('${level}', NULL, NULL)`);
}

/** Runs the jobs of `procedure` now, with the settings that they have. */
async function runJobs(db, procedure) {
  const jobs = await db.query('SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = $1 ORDER BY 1', [procedure]);
  assert.notEqual(jobs.rows.length, 0, `no ${procedure} job`);
  for (const { job_id } of jobs.rows) await db.query(`CALL run_job(${job_id})`);
}

/** Drops what ends before `time`, as the server's retention by age does. */
async function dropBefore(db, signals, time) {
  return rows(db, `SELECT drop_partition(p.table_name, p.from_time, p.to_time)
    FROM storage_partitions() p JOIN retained_tables r USING (table_name)
    WHERE r.signal = ANY($1) AND p.to_time <= least($2::timestamptz, now() - r.age_min)`, [signals, time]);
}

async function compressedChunks(db, table) {
  return Number(await value(db, `SELECT count(*) FROM timescaledb_information.chunks
                                 WHERE hypertable_name = $1 AND is_compressed`, [table]));
}

test('both flavours have the same tables, views and columns', async (t) => {
  const columns = `
    SELECT c.relname AS relation, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
      -- What is behind the levels is each flavour's own affair.
      AND c.relname <> 'metrics_source' AND c.relname NOT LIKE 'packed_metrics_%'
    GROUP BY 1 ORDER BY 1`;
  const timescale = await rows(await database(t, 'timescale'), columns);
  const postgres = await rows(await database(t, 'postgres'), columns);
  assert.ok(timescale.some((row) => row.includes('"spans"')), 'the query sees no tables');
  assert.deepEqual(timescale, postgres);
});

test('both flavours have the same functions', async (t) => {
  const functions = `
    SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname NOT LIKE 'packed_metrics_%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    ORDER BY 1, 2`;
  const timescale = await rows(await database(t, 'timescale'), functions);
  assert.ok(timescale.some((row) => row.includes('"drop_partition"')), 'the query sees no functions');
  assert.deepEqual(timescale, await rows(await database(t, 'postgres'), functions));
});

test('spans, traces, logs and metrics are hypertables with policies', async (t) => {
  const db = await database(t, 'timescale');
  const hypertables = await rows(db, `SELECT hypertable_name AS name, compression_enabled AS columnstore
    FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public' ORDER BY 1`);
  assert.deepEqual(hypertables.map(JSON.parse), [
    { name: 'custom_metric_points', columnstore: false },
    { name: 'edge_halves', columnstore: false },
    { name: 'error_counts', columnstore: false },
    { name: 'logs', columnstore: true },
    { name: 'metrics_source', columnstore: true },
    { name: 'sampled_out', columnstore: true },
    { name: 'service_edges', columnstore: false },
    { name: 'spans', columnstore: true },
    { name: 'traces', columnstore: true },
  ]);
  const aggregates = await rows(db, `SELECT view_name AS name, materialized_only AS stored
    FROM timescaledb_information.continuous_aggregates ORDER BY 1`);
  assert.deepEqual(aggregates.map(JSON.parse), [
    { name: 'metrics_1d', stored: true },
    { name: 'metrics_1h', stored: true },
    { name: 'metrics_1m', stored: true },
  ]);
  // A unique index on spans or logs would turn direct compression off without a word.
  assert.deepEqual(await rows(db, `SELECT indexrelid::regclass FROM pg_index
    WHERE indrelid IN ('spans'::regclass, 'logs'::regclass) AND indisunique`), []);
});

test('the aggregates give the numbers of plain SQL, late spans included', async (t) => {
  const db = await database(t, 'timescale');
  await insertSpans(db, { from: ago(50 * HOUR_MS), to: ago(2 * HOUR_MS), traces: 600 });
  await refreshAll(db);
  for (const [level, unit] of Object.entries(LEVELS)) {
    const expected = await rows(db, metricsFromSpans(unit));
    assert.ok(expected.length > 1);
    assert.deepEqual(await rows(db, metricsFrom(level)), expected, level);
  }
  // Spans that come a day late fall into minutes, hours and days that were aggregated before.
  await insertSpans(db, { from: ago(30 * HOUR_MS), to: ago(26 * HOUR_MS), traces: 100, firstTrace: 10_000 });
  await refreshAll(db);
  for (const [level, unit] of Object.entries(LEVELS)) {
    assert.deepEqual(await rows(db, metricsFrom(level)), await rows(db, metricsFromSpans(unit)), `${level}, late`);
  }
});

test('the policies refresh what is complete, and metrics_minute adds the open minutes', async (t) => {
  const db = await database(t, 'timescale');
  // Up to three minutes into the future, as the clocks of some clients run.
  await insertSpans(db, { from: ago(5 * HOUR_MS), to: ago(-180_000), traces: 400 });
  const expected = await rows(db, metricsFromSpans('minute'));
  assert.deepEqual(await rows(db, metricsFrom('metrics_minute')), expected, 'before the first refresh');
  await db.query('SELECT roll_up_metrics()');
  assert.deepEqual(await rows(db, metricsFrom('metrics_minute')), expected, 'after the job');
  await runJobs(db, 'policy_refresh_continuous_aggregate');
  const stored = await value(db, 'SELECT max(time) FROM metrics_1m');
  assert.ok(stored && stored.getTime() < now, 'the policy stored nothing, or an open minute');
  assert.deepEqual(await rows(db, metricsFrom('metrics_minute')), expected, 'after a refresh');
});

test('compressed chunks answer as before and take late spans', async (t) => {
  const db = await database(t, 'timescale');
  await insertSpans(db, { from: ago(30 * HOUR_MS), to: ago(20 * HOUR_MS), traces: 500 });
  await db.query('SELECT roll_up_metrics()');
  const queries = {
    trace: `SELECT * FROM spans WHERE trace_id = lpad(to_hex(250), 32, '0')::uuid ORDER BY span_id`,
    newest: `SELECT trace_id, span_id, start_time FROM spans
             WHERE service_id = (SELECT id FROM services WHERE name = 'stock') AND start_time >= '${ago(25 * HOUR_MS)}'
             ORDER BY start_time DESC, span_id LIMIT 50`,
    slow_errors: `SELECT span_id, duration_ns FROM spans WHERE status = 2 AND duration_ns > 1000000000 ORDER BY 1`,
    tag: `SELECT span_id FROM spans WHERE attributes::jsonb @> '{"customer": "c7"}' ORDER BY 1`,
    pieces: 'SELECT * FROM traces ORDER BY trace_id',
    metrics: metricsFrom('metrics_source', 'minute'),
  };
  const answers = async () => {
    const found = {};
    for (const [name, sql] of Object.entries(queries)) found[name] = await rows(db, sql);
    return found;
  };
  const before = await answers();
  for (const [name, found] of Object.entries(before)) assert.notEqual(found.length, 0, `${name} finds nothing`);

  await runJobs(db, 'policy_compression');
  for (const table of ['spans', 'traces', 'metrics_source']) {
    assert.ok((await compressedChunks(db, table)) > 0, `no chunk of ${table} was compressed`);
  }
  assert.deepEqual(await answers(), before);

  await insertSpans(db, { from: ago(29 * HOUR_MS), to: ago(28 * HOUR_MS), traces: 20, firstTrace: 5_000 });
  assert.equal(await value(db, 'SELECT count(*)::int FROM spans'), 4 * 520);
  await refreshAll(db);
  assert.deepEqual(await rows(db, metricsFrom('metrics_1m')), await rows(db, metricsFromSpans('minute')));
});

test('old spans go, their hours and days stay', async (t) => {
  const db = await database(t, 'timescale');
  await insertSpans(db, { from: ago(12 * DAY_MS), to: ago(2 * HOUR_MS), traces: 600 });
  await refreshAll(db);
  const hours = await rows(db, metricsFrom('metrics_1h'));
  const days = await rows(db, metricsFrom('metrics_1d'));
  const kept = `SELECT * FROM spans WHERE start_time >= '${ago(7 * DAY_MS)}' ORDER BY start_time, span_id`;
  const keptBefore = await rows(db, kept);

  assert.notEqual((await dropBefore(db, ['traces', 'metrics'], ago(7 * DAY_MS))).length, 0, 'nothing was dropped');
  // A chunk of spans covers an hour: nothing older than the bound and one hour is left.
  assert.equal(await value(db, 'SELECT count(*)::int FROM spans WHERE start_time < $1', [ago(7 * DAY_MS + HOUR_MS)]), 0);
  assert.deepEqual(await rows(db, kept), keptBefore, 'spans within retention');

  // Dropping invalidates what was aggregated from it: the next refresh must not empty the hours.
  await runJobs(db, 'policy_refresh_continuous_aggregate');
  assert.deepEqual(await rows(db, metricsFrom('metrics_1h')), hours, 'hours after the next refresh');
  assert.deepEqual(await rows(db, metricsFrom('metrics_1d')), days, 'days after the next refresh');

  // Spans that are two days late are still counted after chunks were dropped.
  await insertSpans(db, { from: ago(2 * DAY_MS), to: ago(DAY_MS), traces: 50, firstTrace: 20_000 });
  await db.query('SELECT roll_up_metrics()');
  await runJobs(db, 'policy_refresh_continuous_aggregate');
  const countOf = async (level) => Number(await value(db, `SELECT sum(span_count) FROM ${level} WHERE operation_id <> 0`));
  assert.equal(await countOf('metrics_1h'), 4 * 650);
  assert.equal(await countOf('metrics_1d'), 4 * 650);
  const recent = Number(await value(db, 'SELECT sum(span_count) FROM metrics_1d WHERE time >= $1', [ago(3 * DAY_MS)]));

  // Parts that a refresh may still look at stay whatever is asked for.
  await dropBefore(db, ['metrics', 'rollups'], ago(0));
  assert.ok((await countOf('metrics_1h')) < 4 * 650, 'old hours went');
  const youngest = 'SELECT count(*)::int FROM metrics_source WHERE minute >= $1';
  assert.ok((await value(db, youngest, [ago(4 * DAY_MS)])) > 0, 'minutes of the last four days stay');
  await runJobs(db, 'policy_refresh_continuous_aggregate');
  assert.equal(Number(await value(db, 'SELECT sum(span_count) FROM metrics_1d WHERE time >= $1', [ago(3 * DAY_MS)])), recent);
});

test('chunks are listed with their sizes, weighed by service and dropped one by one', async (t) => {
  const db = await database(t, 'timescale');
  await insertSpans(db, { from: ago(30 * HOUR_MS), to: ago(HOUR_MS / 2), traces: 900 });
  await refreshAll(db);
  const chunks = async (table) => (await rows(db, `SELECT * FROM storage_partitions() WHERE table_name = $1 ORDER BY from_time`, [table])).map(JSON.parse);
  const bytes = (list) => list.reduce((sum, it) => sum + it.heap_bytes + it.index_bytes + it.toast_bytes, 0);
  const before = await chunks('spans');
  assert.ok(before.length >= 30 && before.every((it) => it.uncompressed_bytes === null), 'one an hour, none compressed');

  await runJobs(db, 'policy_compression');
  for (const table of ['spans', 'traces', 'metrics_source', 'metrics_1m', 'metrics_1h', 'metrics_1d']) {
    const found = await chunks(table);
    assert.notEqual(found.length, 0, table);
    const shown = await value(db, 'SELECT count(*)::int FROM show_chunks($1::regclass)', [table]);
    assert.equal(found.length, shown, table);
  }
  const spans = await chunks('spans');
  // What TimescaleDB says of the whole, without the empty tables at the root.
  const whole = Number(await value(db, `SELECT hypertable_size('spans')`));
  const roots = Number(await value(db, `SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
    WHERE c.oid = 'spans'::regclass OR c.relname = '_compressed_hypertable_2'`));
  assert.ok(Math.abs(bytes(spans) - whole) <= roots, `${bytes(spans)} of ${whole}`);
  const compressed = spans.filter((it) => it.uncompressed_bytes !== null);
  assert.ok(compressed.length >= 25 && compressed.length < spans.length, `${compressed.length} compressed`);
  const was = before.find((it) => it.partition === compressed[0].partition);
  assert.equal(compressed[0].uncompressed_bytes, bytes([was]));

  // Two of four spans are of the service "stock", in the columnstore and before it.
  const stock = await value(db, `SELECT id FROM services WHERE name = 'stock'`);
  for (const chunk of [compressed[0], spans.at(-1)]) {
    const weights = (await rows(db, 'SELECT * FROM service_weights($1)', [chunk.partition])).map(JSON.parse);
    const sum = weights.reduce((total, it) => total + it.weight, 0);
    const share = weights.find((it) => it.service_id === stock).weight / sum;
    assert.ok(Math.abs(share - 0.5) < 0.03, `${chunk.partition}: ${share}`);
  }

  const oldest = spans[0];
  const drop = () => value(db, 'SELECT drop_partition($1, $2, $3)', ['spans', oldest.from_time, oldest.to_time]);
  assert.equal(await drop(), oldest.partition);
  assert.equal(await drop(), null, 'the second time there is nothing');
  assert.deepEqual((await chunks('spans')).map((it) => it.partition), spans.slice(1).map((it) => it.partition));
});

test('both flavours answer alike', async (t) => {
  const timescale = await database(t, 'timescale');
  const postgres = await database(t, 'postgres');
  for (const db of [timescale, postgres]) {
    await insertSpans(db, { from: ago(30 * HOUR_MS), to: ago(2 * HOUR_MS), traces: 300 });
  }
  await refreshAll(timescale);
  await postgres.query('SELECT roll_up_metrics()');
  assert.equal(await value(postgres, 'SELECT count(*)::int FROM span_metrics'), 0, 'the roll-up moves everything');
  for (const relation of ['metrics_minute', ...Object.keys(LEVELS)]) {
    const expected = await rows(timescale, metricsFrom(relation));
    assert.notEqual(expected.length, 0, relation);
    assert.deepEqual(await rows(postgres, metricsFrom(relation)), expected, relation);
  }
  for (const relation of ['spans', 'traces', 'operations', 'resources']) {
    const all = `SELECT * FROM ${relation} ORDER BY 1, 2, 3`;
    assert.deepEqual(await rows(postgres, all), await rows(timescale, all), relation);
  }
});

test('errors are counted alike, once, and come back once', async (t) => {
  const told = [];
  for (const flavour of ['timescale', 'postgres']) {
    const db = await database(t, flavour);
    const group = '0190163d-8694-8b9b-aea5-966c26f8ad91';
    await db.exec(`INSERT INTO services (name) VALUES ('shop'); INSERT INTO operations (service_id, name) VALUES (1, 'GET /');
      INSERT INTO error_descriptions VALUES ('${group}', 1, 1, 'E', 'gone', 'gone', 'at a', now())`);
    const occurs = (at, count, id = group) => db.query(
      `INSERT INTO error_parts VALUES (date_trunc('minute', $1::timestamptz), $3, 1, 1, '1.0', $2, $1, $1)`, [at, count, id]);
    const fold = () => db.query('SELECT fold_errors()');
    await occurs(ago(3 * HOUR_MS), 2);
    await occurs(ago(3 * HOUR_MS), 3);
    await occurs(ago(40 * HOUR_MS), 1, '00000000-0000-0000-0000-000000000000');
    await fold();
    await db.exec(`UPDATE error_groups SET state = 'resolved', resolved_at = now() WHERE NOT is_overflow`);
    await occurs(ago(2 * HOUR_MS), 1);
    await fold();
    await occurs(ago(-HOUR_MS), 1);
    await fold();
    await fold();
    told.push(await rows(db, `SELECT g.message, g.is_overflow, g.state, g.error_count, g.stacktrace,
        (SELECT sum(c.error_count) FROM error_counts c WHERE c.group_id = g.id) AS counted,
        (SELECT string_agg(e.kind, ' ' ORDER BY e.id) FROM error_events e WHERE e.group_id = g.id) AS events
      FROM error_groups g ORDER BY g.is_overflow`));
  }
  assert.deepEqual(told[0].map(JSON.parse), [
    { message: 'gone', is_overflow: false, state: 'regressed', error_count: 7, stacktrace: 'at a', counted: 7, events: 'new regressed' },
    { message: '', is_overflow: true, state: 'open', error_count: 1, stacktrace: '', counted: 1, events: 'new' },
  ]);
  assert.deepEqual(told[1], told[0]);
});

test('the average size of a stored span is known, counted by PostgreSQL or not', async (t) => {
  for (const flavour of ['timescale', 'postgres']) {
    const db = await database(t, flavour);
    const bytes = async () => Number(await value(db, 'SELECT span_bytes_average()'));
    assert.equal(await value(db, 'SELECT span_bytes_average()'), null, `${flavour}, nothing stored`);
    await insertSpans(db, { from: ago(3 * HOUR_MS), to: ago(HOUR_MS), traces: 500 });
    for (const counted of [false, true]) {
      if (counted) await db.exec('ANALYZE');
      const found = await bytes();
      assert.ok(found > 100 && found < 2_000, `${flavour}, counted ${counted}: ${found} bytes`);
    }
  }
});

test('a migration outside a transaction is split into its statements', () => {
  const sql = '-- no-transaction\nSELECT 1;\nCREATE FUNCTION f() AS $$\nBEGIN;\nEND;\n$$;\n-- why; because\nSELECT\n  2;\n';
  assert.deepEqual(statements(sql), ['SELECT 1;', 'CREATE FUNCTION f() AS $$\nBEGIN;\nEND;\n$$;', 'SELECT\n  2;']);
});
