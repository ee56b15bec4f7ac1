import type { ArmSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, isBuiltin } from '#core/experiments/metrics.ts';
import { unixMsOfId } from '#core/ids.ts';
import { armSums, type FlatSums } from '#store/experiment-sums.ts';
import { type LogRows, LogTooMuchError, type RowsRead } from '#store/log-rows.ts';
import {
  NO_SUMS,
  type PlanningWindow,
  reportedInferences,
  reportedSums,
  type UnitOfInference,
} from '#store/planning.ts';
import { INFERENCES } from '../columns.ts';
import { type Fragment, int, moment, name, sql, text, uuid, uuids } from '../statement.ts';
import { type Asking, countOf } from './asking.ts';
import { measuredRows } from './measured-rows.ts';
import { flatSums, unitSum } from './unit-sums.ts';

const DAY_MS = 86_400_000;
/** Reports are in PostgreSQL and their units here: more inferences than these are not gone over while somebody waits. */
const MAX_REPORTED = 100_000;
/** They travel in the address of a request, of which some proxies take 8 KiB; so several requests are under way at a time. */
const IDS_AT_ONCE = 150;
const PAGES_AT_ONCE = 4;

/** The questions of store/planning.ts. */
export function createPlanning(asking: Asking): Pick<LogRows, 'unitTraffic' | 'variantSums'> {
  return {
    async unitTraffic({ leftMs }, window) {
      const since = int(window.since.getTime());
      const [found] = await asking.lines(
        sql`SELECT sum(inferences) AS total, uniqExact(digest) AS units, count() AS unit_days, min(first_ms) AS first
          FROM (SELECT MD5(unit) AS digest, intDiv(toUnixTimestamp64Milli(created_at) - ${since}, ${int(DAY_MS)}) AS day,
              count() AS inferences, min(toUnixTimestamp64Milli(created_at)) AS first_ms
            FROM ${name(INFERENCES.name)} FINAL WHERE ${split(window)} GROUP BY digest, day)`,
        await leftMs(),
      );
      const unitDays = countOf(found!['unit_days']);
      return {
        ...{ inferences: countOf(found!['total']), units: countOf(found!['units']), unitDays },
        firstAt: unitDays === 0 ? null : new Date(countOf(found!['first'])),
      };
    },
    async variantSums(read, window, variant, metric, objectives) {
      const of = sql`${split(window)} AND assigned_variant = ${text(variant)}`;
      if (!isBuiltin(metric)) return reported(asking, read, window, of, metric);
      const { sum, count } = BUILTIN_METRICS[metric];
      const [found] = await asking.lines<FlatSums>(
        sql`SELECT ${flatSums()} FROM (SELECT ${unitSum(sum)} AS s, ${unitSum(count)} AS n
          FROM (${measuredRows(of, { ...objectives, caps: {} }, { digest: sql`MD5(unit)` })}) GROUP BY digest)`,
        await read.leftMs(),
      );
      return armSums(found!);
    },
  };
}

/** What was reported is decimal and of any size: PostgreSQL adds it up, told which inference is of which unit. */
async function reported(
  asking: Asking,
  read: RowsRead,
  window: PlanningWindow,
  of: Fragment,
  metric: string,
): Promise<ArmSums | null> {
  const { tx, leftMs } = read;
  const ids = await reportedInferences(tx, window, metric, MAX_REPORTED + 1);
  if (ids.length > MAX_REPORTED)
    throw new LogTooMuchError(`more than ${MAX_REPORTED} inferences have reports of "${metric}"`);
  const pages = Array.from({ length: Math.ceil(ids.length / IDS_AT_ONCE) }, (_, page) =>
    ids.slice(page * IDS_AT_ONCE, (page + 1) * IDS_AT_ONCE),
  );
  const found: UnitOfInference[] = [];
  for (let at = 0; at < pages.length; at += PAGES_AT_ONCE) {
    const limitMs = await leftMs();
    const some = pages.slice(at, at + PAGES_AT_ONCE);
    const units = await Promise.all(some.map((page) => unitsOf(asking, of, page, limitMs)));
    found.push(...units.flat());
  }
  if (found.length === 0) return NO_SUMS;
  await leftMs();
  return reportedSums(tx, window.organizationId, metric, found);
}

/** @param ids in their order, which is that of their times: so few granules hold a page */
async function unitsOf(
  asking: Asking,
  of: Fragment,
  ids: readonly string[],
  limitMs: number,
): Promise<UnitOfInference[]> {
  const [first, last] = [ids[0]!, ids.at(-1)!].map((id) => moment(new Date(unixMsOfId(id))));
  const lines = await asking.lines<{ inference: string; digest: string }>(
    sql`SELECT toString(id) AS inference, lower(hex(MD5(unit))) AS digest FROM ${name(INFERENCES.name)} FINAL
      WHERE ${of} AND created_at >= ${first!} AND created_at <= ${last!} AND id IN ${uuids(ids)}`,
    limitMs,
  );
  return lines.map(({ inference, digest }) => ({ id: inference, unit: digest }));
}

/** Sessions and mirrored calls are not split. */
function split({ organizationId, groupId, since, until }: PlanningWindow): Fragment {
  return sql`organization_id = ${uuid(organizationId)} AND group_id = ${uuid(groupId)} AND created_at >= ${moment(since)}
    AND created_at < ${moment(until)} AND shadow_of IS NULL AND served_reason != 'pinned'`;
}
