// Attributes by number in the columnstore: that they come back, and from where on pairs are needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { database, rows, value } from './database.js';
import { insertSpans } from './fixture.js';

const HOUR_MS = 3_600_000;
const ago = (ms) => new Date(Date.now() - ms).toISOString();

/** The bytes of a pair's number, which is small. */
const NUMBER = "set_byte(set_byte('\\x0000', 0, 128 + p.id / 128), 1, p.id % 128)";

/** Moves the customers of all spans into the dictionary, as if the writer had seen them repeat. */
async function useNumbers(db) {
  await db.exec(`
    INSERT INTO attribute_pairs (key, value, used_on)
      SELECT DISTINCT 'customer', (attributes::jsonb -> 'customer')::text, current_date FROM spans ORDER BY 2;
    UPDATE spans s SET attribute_ids = ${NUMBER}, attributes = (attributes::jsonb - 'customer')::text
      FROM attribute_pairs p WHERE p.value = (s.attributes::jsonb -> 'customer')::text AND s.span_id % 3 > 0;
  `);
}

for (const flavour of ['timescale', 'postgres']) {
  test(`spans have all of their attributes on ${flavour}`, async (t) => {
    const db = await database(t, flavour);
    await insertSpans(db, { from: ago(30 * HOUR_MS), to: ago(20 * HOUR_MS), traces: 200 });
    const all = 'SELECT span_id, span_attributes(attributes, attribute_ids) AS attributes FROM spans ORDER BY 1';
    const before = await rows(db, all);
    await useNumbers(db);
    const byNumber = await value(db, 'SELECT count(*)::int FROM spans WHERE attribute_ids IS NOT NULL');
    assert.ok(byNumber > 400 && byNumber < 800, `${byNumber}`);
    assert.deepEqual(await rows(db, all), before);

    const found = `SELECT span_id FROM spans WHERE position((
                     SELECT ${NUMBER} FROM attribute_pairs p WHERE key = 'customer' AND value = '"c7"') IN attribute_ids) > 0
                   OR attributes::jsonb ->> 'customer' = 'c7' ORDER BY 1`;
    const expected = await rows(db, "SELECT span_id FROM spans WHERE span_attributes(attributes, attribute_ids) ->> 'customer' = 'c7' ORDER BY 1");
    assert.equal(expected.length, 16);
    assert.deepEqual(await rows(db, found), expected);
    if (flavour === 'timescale') {
      await db.query("SELECT count(compress_chunk(c)) FROM show_chunks('spans') c");
      assert.deepEqual(await rows(db, all), before, 'compressed');
      assert.deepEqual(await rows(db, found), expected, 'compressed');
    }
  });

  test(`no span starts before spans_from() on ${flavour}`, async (t) => {
    const db = await database(t, flavour);
    await insertSpans(db, { from: ago(50 * HOUR_MS), to: ago(20 * HOUR_MS), traces: 200 });
    const isBound = `SELECT spans_from() <= min(start_time) AND spans_from() > min(start_time) - interval '24 hours' FROM spans`;
    assert.equal(await value(db, isBound), true);
    const from = await value(db, 'SELECT spans_from()');
    await db.query(`SELECT drop_partition(table_name, from_time, to_time) FROM storage_partitions()
                    WHERE table_name = 'spans' AND from_time = $1`, [from]);
    assert.equal(await value(db, isBound), true, 'a partition later');
    assert.equal(await value(db, 'SELECT spans_from() > $1', [from]), true);
  });
}
