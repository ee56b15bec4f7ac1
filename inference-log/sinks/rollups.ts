import type { ClientBase } from 'pg';
import type { InferenceRow } from '../record.ts';
import { type Rollup, rollUp } from '../rollup.ts';

/** A column of the table `rollups`, what it is given, and whether it is part of the key or added up. */
interface RollupColumn {
  readonly name: string;
  readonly type: 'uuid' | 'timestamptz' | 'text' | 'bigint' | 'jsonb';
  readonly adds: 'key' | 'once' | 'sum' | 'histogram';
  readonly of: (rollup: Rollup) => string | number | null;
}

const COLUMNS: readonly RollupColumn[] = [
  { name: 'group_id', type: 'uuid', adds: 'key', of: ({ groupId }) => groupId },
  { name: 'minute', type: 'timestamptz', adds: 'key', of: ({ minuteMs }) => new Date(minuteMs).toISOString() },
  { name: 'assigned_variant', type: 'text', adds: 'key', of: ({ assignedVariant }) => assignedVariant },
  { name: 'served_variant', type: 'text', adds: 'key', of: ({ servedVariant }) => servedVariant },
  { name: 'error_code', type: 'text', adds: 'key', of: ({ errorCode }) => errorCode },
  { name: 'organization_id', type: 'uuid', adds: 'once', of: ({ organizationId }) => organizationId },
  { name: 'count', type: 'bigint', adds: 'sum', of: ({ count }) => count },
  { name: 'interrupted', type: 'bigint', adds: 'sum', of: ({ interrupted }) => interrupted },
  { name: 'shadows', type: 'bigint', adds: 'sum', of: ({ shadows }) => shadows },
  { name: 'interrupted_shadows', type: 'bigint', adds: 'sum', of: ({ interruptedShadows }) => interruptedShadows },
  { name: 'input_tokens', type: 'bigint', adds: 'sum', of: ({ inputTokens }) => inputTokens },
  { name: 'output_tokens', type: 'bigint', adds: 'sum', of: ({ outputTokens }) => outputTokens },
  { name: 'cached_tokens', type: 'bigint', adds: 'sum', of: ({ cachedTokens }) => cachedTokens },
  { name: 'reasoning_tokens', type: 'bigint', adds: 'sum', of: ({ reasoningTokens }) => reasoningTokens },
  { name: 'with_usage', type: 'bigint', adds: 'sum', of: ({ withUsage }) => withUsage },
  { name: 'cost_micro_usd', type: 'bigint', adds: 'sum', of: ({ costMicroUsd }) => costMicroUsd },
  { name: 'with_cost', type: 'bigint', adds: 'sum', of: ({ withCost }) => withCost },
  { name: 'total_ns', type: 'bigint', adds: 'sum', of: ({ totalNs }) => String(totalNs) },
  { name: 'first_token_ns', type: 'bigint', adds: 'sum', of: ({ firstTokenNs }) => String(firstTokenNs) },
  { name: 'latency', type: 'jsonb', adds: 'histogram', of: ({ latency }) => JSON.stringify(latency) },
  { name: 'first_token', type: 'jsonb', adds: 'histogram', of: ({ firstToken }) => JSON.stringify(firstToken) },
];

const KEY = COLUMNS.filter(({ adds }) => adds === 'key').map(({ name }) => name);
const ADDED = COLUMNS.flatMap(({ name, adds }) => {
  if (adds === 'sum') return [`${name} = r.${name} + excluded.${name}`];
  if (adds === 'histogram') return [`${name} = add_histograms(r.${name}, excluded.${name})`];
  return [];
});
const ADD = `
  INSERT INTO rollups AS r (gateway_id, ${COLUMNS.map(({ name }) => name).join(', ')})
  SELECT $1::uuid, * FROM UNNEST(${COLUMNS.map(({ type }, index) => `$${index + 2}::${type}[]`).join(', ')})
  ON CONFLICT (${KEY.join(', ')}, gateway_id) DO UPDATE SET ${ADDED.join(', ')}`;

/**
 * Adds rows that were stored in this transaction to the figures of their minutes. They are kept by the gateway that wrote
 * the rows, so that shippers of different gateways never wait for each other here; those of one gateway's spools take the
 * rows in the order of `rollUp`.
 */
export async function addToRollups(
  client: ClientBase,
  gatewayId: string,
  rows: readonly InferenceRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const rollups = rollUp(rows);
  const values = [gatewayId, ...COLUMNS.map(({ of }) => rollups.map(of))];
  await client.query({ name: 'add-to-rollups', text: ADD, values });
}
