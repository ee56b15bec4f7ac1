import type { OutcomeCount } from '#store/clickhouse-expiry.ts';
import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS } from './columns.ts';

/** A group's rows that were made before a moment. */
export interface OldRows {
  readonly groupId: string;
  readonly until: Date;
}

/** What retention asks of ClickHouse. @throws ClickHouseError, ClickHouseUnreachableError */
export interface ClickHouseExpiry {
  /** As a reader sees them: a row that lies there twice counts once. */
  count(old: OldRows): Promise<OutcomeCount[]>;
  /** Nobody reads them afterwards. Repeating it is harmless. */
  remove(old: readonly OldRows[]): Promise<void>;
  /** Has months that are wholly before `until` rewritten without what was removed from them; that goes on by itself. */
  purge(until: Date): Promise<void>;
  close(): void;
}

/** A removal reads the parts that may hold such rows. */
const TIMEOUT_MS = 600_000;
/** Each is a condition of one statement. */
const GROUPS_AT_ONCE = 100;

/**
 * Rows are removed by DELETE, which marks them; so many groups share one pass over the parts. What is marked stays on the disk until
 * its part is merged, which an old part may never be: hence `purge`, once a month has passed.
 */
export function createClickHouseExpiry(address: ClickHouseAddress): ClickHouseExpiry {
  const client = createClickHouseClient({ address, timeoutMs: TIMEOUT_MS });
  return {
    async count(old) {
      const text = await client.query(`SELECT toString(gateway_id) AS gatewayId, outcome, count() AS rows
        FROM ${INFERENCES.name} FINAL WHERE ${conditionOf(old)} GROUP BY gateway_id, outcome
        SETTINGS do_not_merge_across_partitions_select_final = 1, output_format_json_quote_64bit_integers = 0
        FORMAT JSONEachRow`);
      return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as OutcomeCount]));
    },
    async remove(old) {
      for (let at = 0; at < old.length; at += GROUPS_AT_ONCE) {
        const condition = old
          .slice(at, at + GROUPS_AT_ONCE)
          .map(conditionOf)
          .join(' OR ');
        // Payloads last: whoever finds an inference finds its payload.
        for (const { name } of [INFERENCES, PAYLOADS]) await client.query(`DELETE FROM ${name} WHERE ${condition}`);
      }
    },
    async purge(until) {
      const month = until.toISOString().slice(0, 7).replace('-', '');
      for (const { name } of [INFERENCES, PAYLOADS]) {
        const text =
          await client.query(`SELECT DISTINCT partition_id FROM system.parts WHERE database = currentDatabase()
          AND table = '${name}' AND active AND has_lightweight_delete AND partition_id < '${month}'`);
        for (const partition of text.split('\n').filter((line) => /^\d{6}$/.test(line))) {
          await client.query(`ALTER TABLE ${name} APPLY DELETED MASK IN PARTITION ID '${partition}'`);
        }
      }
    },
    close: () => client.close(),
  };
}

function conditionOf({ groupId, until }: OldRows): string {
  return `(group_id = '${groupId}' AND created_at < fromUnixTimestamp64Milli(${until.getTime()}, 'UTC'))`;
}
