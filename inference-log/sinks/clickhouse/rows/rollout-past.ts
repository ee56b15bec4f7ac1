import { BUILTIN_METRICS } from '#core/experiments/metrics.ts';
import { LONGEST_MS, MAX_HISTORY_ROWS, pastOfChampion } from '#store/champion-history.ts';
import { CAPPED, daysBefore, keepHistory, type UnitPast, wantedHistory } from '#store/experiment-history.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import type { ClickHouseAddress } from '../address.ts';
import { createClickHouseClient } from '../client.ts';
import { INFERENCES } from '../columns.ts';
import { type Fragment, int, join, literal, moment, name, sql, text, uuid } from '../statement.ts';
import { type Asking, countOf, createAsking } from './asking.ts';
import { measuredRows } from './measured-rows.ts';
import { unitSum } from './unit-sums.ts';

export interface RolloutPastOptions {
  readonly address: ClickHouseAddress;
  /** For one question; a start waits for two. */
  readonly limitMs: number;
  readonly nowMs: () => number;
  /** Units that are moved to PostgreSQL at a time (50 000): some megabytes. */
  readonly unitsAtOnce?: number;
}

export interface ClickHouseRolloutPast extends RolloutPast {
  close(): void;
}

/** A server that does not even answer a greeting is away; what it is asked then may take long. */
const GREETING_MS = 2_000;
/** For so long nobody waits for one that was away. */
const AWAY_MS = 15_000;
const UNITS_AT_ONCE = 50_000;
/** The first two bytes of a digest. */
const DIGESTS = 65_536;

/** What rollouts ask of the log before their start, with its rows in ClickHouse. */
export function createClickHouseRolloutPast(options: RolloutPastOptions): ClickHouseRolloutPast {
  const { address, limitMs, nowMs, unitsAtOnce = UNITS_AT_ONCE } = options;
  const client = createClickHouseClient({ address });
  const asking = createAsking(client);
  const greet = createGreeting(asking, nowMs);
  return {
    async caps(_, rollout, { at, ingest, quantile }) {
      await greet();
      const rows = measuredRows(
        sql`${historyOf(rollout, daysBefore(rollout, at), at)} AND ${ofChampion(rollout)}`,
        { ...ingest, caps: {} },
        {},
      );
      // By how often each value comes: the first one with so many of all below or at it, as percentile_disc has it.
      const of = Object.entries(CAPPED).map(
        ([column, counted]) =>
          sql`if(countIf(${name(counted)} > 0) = 0, NULL, quantileExactWeightedIf(${literal(quantile)})(${name(column)}, 1, ${name(counted)} > 0))
            AS ${name(`cap_${column}`)}`,
      );
      const [found] = await asking.lines(sql`SELECT ${join(of)} FROM (${rows})`, limitMs);
      return Object.fromEntries(
        Object.keys(CAPPED).flatMap((column): [string, number][] => {
          const cap = found![`cap_${column}`];
          return cap === null ? [] : [[column, countOf(cap)]];
        }),
      );
    },
    async championHistory(_, rollout, { at, ingest, maxRows = MAX_HISTORY_ROWS }) {
      await greet();
      const longest = new Date(at.getTime() - LONGEST_MS);
      const [bound] = await asking.lines(
        sql`SELECT toUnixTimestamp64Milli(created_at) AS ms FROM ${name(INFERENCES.name)} FINAL WHERE ${historyOf(rollout, longest, at)}
          ORDER BY created_at DESC LIMIT 1 OFFSET ${int(maxRows)}`,
        limitMs,
      );
      // The row at the bound is the first one too many; others of its millisecond stay out with it.
      const since = bound === undefined ? longest : new Date(countOf(bound['ms']) + 1);
      const rows = measuredRows(
        sql`${historyOf(rollout, since, at)} AND ${ofChampion(rollout)}`,
        { ...ingest, caps: {} },
        { digest: sql`MD5(unit)`, ms: sql`toUnixTimestamp64Milli(created_at)` },
      );
      const [found] = await asking.lines(
        sql`SELECT count() AS units, countIf(failed > 0) AS failing, min(first_ms) AS oldest
          FROM (SELECT sum(failures) AS failed, min(ms) AS first_ms FROM (${rows}) GROUP BY digest)`,
        limitMs,
      );
      const units = countOf(found!['units']);
      if (units === 0) return null;
      const failingUnits = countOf(found!['failing']);
      return pastOfChampion(at, new Date(countOf(found!['oldest'])), { units, failingUnits });
    },
    async fillHistory(tx, rollout) {
      const wanted = wantedHistory(rollout);
      if (wanted === undefined) return;
      await greet();
      const { metric, since, until, ingest } = wanted;
      const where = historyOf(rollout, since, until);
      const [found] = await asking.lines(
        sql`SELECT uniqCombined(unit) AS units FROM ${name(INFERENCES.name)} FINAL WHERE ${where}`,
        limitMs,
      );
      const pages = Math.min(DIGESTS, Math.max(1, Math.ceil(countOf(found!['units']) / unitsAtOnce)));
      const { sum, count } = BUILTIN_METRICS[metric];
      for (let page = 0; page < pages; page++) {
        const rows = measuredRows(sql`${where}${pageOf(page, pages)}`, ingest, { digest: sql`MD5(unit)` });
        const units = await asking.lines<UnitPast>(
          sql`SELECT lower(hex(digest)) AS unit, toString(n_sum) AS n, toString(s_sum) AS sum
            FROM (SELECT digest, ${unitSum(sum)} AS s_sum, ${unitSum(count)} AS n_sum FROM (${rows}) GROUP BY digest)
            WHERE n_sum > 0`,
          limitMs,
        );
        await keepHistory(tx, rollout, metric, units);
      }
    },
    close: () => client.close(),
  };
}

/**
 * Asks whether ClickHouse is there at all. A start holds locks, and a place among the rollouts that are looked after: it must not wait
 * long, nor again and again, for who is not there.
 */
function createGreeting(asking: Asking, nowMs: () => number): () => Promise<void> {
  let away: { readonly untilMs: number; readonly error: unknown } | undefined;
  return async () => {
    if (away !== undefined && nowMs() < away.untilMs) throw away.error;
    try {
      await asking.lines(sql`SELECT 1 AS hello`, GREETING_MS);
      away = undefined;
    } catch (error) {
      away = { untilMs: nowMs() + AWAY_MS, error };
      throw error;
    }
  };
}

/** Units whole, by the first two bytes of their digest; all of them, where there is one page. */
function pageOf(page: number, pages: number): Fragment {
  if (pages === 1) return sql``;
  const place = sql`reinterpretAsUInt16(reverse(substring(MD5(unit), 1, 2)))`;
  const from = (at: number) => int(Math.floor((at * DIGESTS) / pages));
  return sql` AND ${place} >= ${from(page)} AND ${place} < ${from(page + 1)}`;
}

function ofChampion({ arms }: Pick<RolloutRow, 'arms'>): Fragment {
  return sql`assigned_variant = ${text(arms[0]?.model ?? '')}`;
}

/** The group's own traffic between two moments; what counts in no experiment does not count here. */
function historyOf(
  { organization_id, group_id }: Pick<RolloutRow, 'organization_id' | 'group_id'>,
  since: Date,
  at: Date,
): Fragment {
  return sql`organization_id = ${uuid(organization_id)} AND group_id = ${uuid(group_id)} AND created_at >= ${moment(since)}
    AND created_at < ${moment(at)} AND shadow_of IS NULL AND served_reason NOT IN ('pinned', 'shadow') AND operation != 'realtime'`;
}
