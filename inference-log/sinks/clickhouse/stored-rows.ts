import type { Column } from '../columns.ts';
import { type Fragment, join, name, sql } from './statement.ts';

/** A row of an answer to `storedColumns`. */
export type StoredLine = Readonly<Record<string, unknown>>;

/** Columns of the log, in a form in which no value is rounded. A moment comes in milliseconds. */
export function storedColumns(columns: readonly Column[]): Fragment {
  return join(
    columns.map(({ name: column, type }) =>
      type === 'timestamptz'
        ? sql`toUnixTimestamp64Milli(${name(column)}) AS ${name(momentOf(column))}`
        : sql`${name(column)}`,
    ),
  );
}

/** The values as PostgreSQL's are read. @throws SyntaxError, RangeError for a row that is none of ours */
export function storedRow<Row>(columns: readonly Column[], line: StoredLine): Row {
  return Object.fromEntries(
    columns.map((column) => {
      const found = line[column.type === 'timestamptz' ? momentOf(column.name) : column.name];
      return [column.name, found === null ? null : valueIn(column, found)];
    }),
  ) as Row;
}

/** An alias would hide the column in the conditions. */
function momentOf(column: string): string {
  return `${column}_ms`;
}

function valueIn({ type }: Column, found: unknown): unknown {
  switch (type) {
    case 'timestamptz':
      return new Date(Number(found));
    case 'bigint':
      return integerOf(String(found));
    case 'jsonb':
      return JSON.parse(String(found));
    case 'uuid':
    case 'text':
    case 'smallint':
    case 'integer':
    case 'boolean':
      return found;
    case 'bytea':
      throw new TypeError('bytes have no place in a line of JSON');
    default:
      return type satisfies never;
  }
}

/** One past 2^53 is a defect and not to be rounded silently. */
function integerOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the integer ${text} of ClickHouse does not fit a number`);
  return value;
}
