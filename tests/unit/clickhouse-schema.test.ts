import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { INFERENCES, PAYLOADS, type WireTable } from '#inference-log/sinks/clickhouse/columns.ts';
import type { ColumnType } from '#inference-log/sinks/columns.ts';

const FOLDER = join(import.meta.dirname, '../../migrations/clickhouse');
const TYPES: Readonly<Record<ColumnType, string>> = {
  uuid: 'UUID',
  timestamptz: "DateTime64(3, 'UTC')",
  smallint: 'Int16',
  integer: 'Int32',
  bigint: 'Int64',
  text: 'String',
  boolean: 'Bool',
  jsonb: 'String',
  bytea: 'String',
};

/** The columns that the migrations make, by table, with their types as written. */
function columnsMade(): Map<string, Map<string, string>> {
  const tables = new Map<string, Map<string, string>>();
  for (const file of readdirSync(FOLDER).sort()) {
    const statements = readFileSync(join(FOLDER, file), 'utf8').split(/;\s*$/m);
    for (const statement of statements) {
      const created = /CREATE TABLE IF NOT EXISTS (\w+) \(([\s\S]*?)\n\)/.exec(statement);
      const altered = /ALTER TABLE (\w+) ADD COLUMN IF NOT EXISTS ([\s\S]*)/.exec(statement);
      const [, name, text] = created ?? altered ?? [];
      if (name === undefined || text === undefined) continue;
      const columns = tables.get(name) ?? new Map<string, string>();
      tables.set(name, columns);
      for (const [, column, type] of text.matchAll(/^\s*(\w+) ([A-Z]\w*(?:\([^\s,]*(?:, [^\s,]*)?\))?)/gm)) {
        if (column !== 'INDEX' && column !== undefined && type !== undefined) columns.set(column, type);
      }
    }
  }
  return tables;
}

test.each<[string, WireTable]>([
  ['inferences', INFERENCES],
  ['inference_payloads', PAYLOADS],
])('migrations/clickhouse has every column of %s as it is sent; a new one needs a migration there', (name, {
  columns,
}) => {
  const made = columnsMade().get(name);
  const sent = Object.fromEntries(
    columns.map(({ name: column, type, nullable }) => [column, nullable ? `Nullable(${TYPES[type]})` : TYPES[type]]),
  );
  const found = Object.fromEntries(
    columns.map(({ name: column }) => [column, made?.get(column)?.replace(/^LowCardinality\((.*)\)$/, '$1')]),
  );
  expect(found).toEqual(sent);
});
