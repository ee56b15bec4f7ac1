import { type Column, INFERENCE_COLUMNS, namesOf, PAYLOAD_COLUMNS } from '../columns.ts';

/** A column as RowBinary writes it: one that may be null has a byte for that before each value. */
export interface WireColumn extends Column {
  readonly nullable: boolean;
}

/** A table and the one way into it. */
export interface WireTable {
  readonly name: string;
  readonly columns: readonly WireColumn[];
  readonly insert: string;
}

/** What is never null. A column that joins columns.ts later may be null in ClickHouse; its migration adds it as Nullable. */
const REQUIRED: ReadonlySet<string> = new Set([
  ...['id', 'group_id', 'created_at', 'organization_id', 'schema_version', 'gateway_id', 'config_version', 'key_id'],
  ...['operation', 'dialect', 'streamed', 'assigned_variant', 'served_reason', 'unit', 'unit_source', 'hash_version'],
  ...[
    'bucket',
    'range_from',
    'range_to',
    'phase',
    'status',
    'outcome',
    'end_reason',
    'attempts',
    'total_ns',
    'trace_id',
  ],
  ...['request_bytes', 'response_bytes'],
]);

export const INFERENCES = wireTable('inferences', INFERENCE_COLUMNS);
export const PAYLOADS = wireTable('inference_payloads', PAYLOAD_COLUMNS);

function wireTable(name: string, columns: readonly Column[]): WireTable {
  return {
    name,
    columns: columns.map((column) => ({ ...column, nullable: !REQUIRED.has(column.name) })),
    insert: `INSERT INTO ${name} (${namesOf(columns)}) FORMAT RowBinary`,
  };
}
