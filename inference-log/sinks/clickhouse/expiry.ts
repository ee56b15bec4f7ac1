import type { ExpiryRun, OutcomeCount } from '#store/clickhouse-expiry.ts';
import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS } from './columns.ts';

/** A group's rows that were made before a moment. */
type OldRows = Pick<ExpiryRun, 'groupId' | 'until'>;

/** A run's rows. */
type Expiring = Pick<ExpiryRun, 'groupId' | 'until' | 'run'>;

/** What retention asks of ClickHouse. @throws ClickHouseError, ClickHouseUnreachableError */
export interface ClickHouseExpiry {
  /** As a reader sees them: a row that lies there twice counts once. */
  count(old: OldRows): Promise<OutcomeCount[]>;
  /** Nobody reads them afterwards, unless the run has been fenced off. Repeating it is harmless. */
  remove(runs: readonly Expiring[]): Promise<void>;
  /** From now on, these runs and those before them remove nothing: only what is being removed already goes on. */
  fence(runs: readonly Pick<Expiring, 'groupId' | 'run'>[]): Promise<void>;
  /** Whether rows of the group are being removed. */
  isRemoving(groupId: string): Promise<boolean>;
  /** When the oldest row of the group was made; undefined: it has none. */
  oldest(groupId: string): Promise<Date | undefined>;
  /** Has months that are wholly before `until` rewritten without what was removed from them; that goes on by itself. */
  purge(until: Date): Promise<void>;
  close(): void;
}

/** A removal reads the parts that may hold such rows. */
const TIMEOUT_MS = 600_000;
/** Each is a condition of one statement. */
const GROUPS_AT_ONCE = 100;
const FENCES = 'expiry_fences';

interface Found {
  readonly gatewayId: string;
  readonly day: string;
  readonly kind: OutcomeCount['outcome'];
  readonly rows: number;
}

/**
 * Rows are removed by DELETE, which marks them; so many groups share one pass over the parts. What is marked stays on the disk until
 * its part is merged, which an old part may never be: hence `purge`, once a month has passed.
 *
 * A DELETE may arrive long after it was sent, by a leader that was held up and has a successor by then. So each looks at the fence
 * itself, where ClickHouse executes it. That is after it has joined system.mutations: who sets a fence and then finds none there
 * knows that none is to come.
 */
export function createClickHouseExpiry(address: ClickHouseAddress): ClickHouseExpiry {
  const client = createClickHouseClient({ address, timeoutMs: TIMEOUT_MS });
  return {
    async count(old) {
      const text = await client.query(`SELECT toString(gateway_id) AS gatewayId, toString(toDate(created_at)) AS day,
          if(outcome = 'interrupted', 'interrupted', 'ended') AS kind, count() AS rows
        FROM ${INFERENCES.name} FINAL WHERE ${conditionOf(old)} GROUP BY gateway_id, day, kind
        SETTINGS do_not_merge_across_partitions_select_final = 1, output_format_json_quote_64bit_integers = 0
        FORMAT JSONEachRow`);
      return text.split('\n').flatMap((line) => (line === '' ? [] : [outcomeOf(JSON.parse(line) as Found)]));
    },
    async remove(runs) {
      for (let at = 0; at < runs.length; at += GROUPS_AT_ONCE) {
        const some = runs.slice(at, at + GROUPS_AT_ONCE);
        const fenced = some.map(({ groupId, run }) => `group_id = '${groupId}' AND run >= ${run}`).join(' OR ');
        // With the database's name: it is executed in the background, which has another one.
        const condition = `(${some.map(conditionOf).join(' OR ')})
          AND group_id NOT IN (SELECT group_id FROM ${address.database}.${FENCES} WHERE ${fenced})`;
        // Payloads last: whoever finds an inference finds its payload.
        for (const { name } of [INFERENCES, PAYLOADS]) await client.query(`DELETE FROM ${name} WHERE ${condition}`);
      }
    },
    async fence(runs) {
      if (runs.length === 0) return;
      const values = runs.map(({ groupId, run }) => `('${groupId}', ${run})`).join(', ');
      await client.query(`INSERT INTO ${FENCES} (group_id, run) SETTINGS async_insert = 0 VALUES ${values}`);
    },
    async isRemoving(groupId) {
      const text = await client.query(`SELECT count() > 0 FROM system.mutations WHERE database = currentDatabase()
        AND table IN ('${INFERENCES.name}', '${PAYLOADS.name}') AND NOT is_done AND position(command, '${groupId}') > 0`);
      return text.trim() === '1';
    },
    async oldest(groupId) {
      const text = await client.query(`SELECT toUnixTimestamp64Milli(created_at) FROM ${INFERENCES.name}
        WHERE group_id = '${groupId}' ORDER BY created_at LIMIT 1`);
      return text.trim() === '' ? undefined : new Date(Number(text));
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

function outcomeOf({ gatewayId, day, kind, rows }: Found): OutcomeCount {
  return { gatewayId, day, outcome: kind, rows };
}

function conditionOf({ groupId, until }: OldRows): string {
  return `(group_id = '${groupId}' AND created_at < fromUnixTimestamp64Milli(${until.getTime()}, 'UTC'))`;
}
