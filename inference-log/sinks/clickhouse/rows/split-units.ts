import type { LogRows } from '#store/log-rows.ts';
import { INFERENCES } from '../columns.ts';
import { int, ints, moment, name, sql, uuid } from '../statement.ts';
import { type Asking, countOf } from './asking.ts';

/** The question of store/split-figures.ts. */
export function createSplitUnits(asking: Asking): Pick<LogRows, 'stepUnits'> {
  return {
    async stepUnits({ leftMs }, { organizationId, groupId, since, until, stepMs }, splits) {
      const begins = ints(splits.map(({ from }) => from.getTime()));
      const versions = ints(splits.map(({ configVersion }) => configVersion));
      const [from, step] = [int(since.getTime()), int(stepMs)];
      const rows = await asking.lines<Record<string, unknown>>(
        sql`SELECT step, sum(requests) AS total, count() AS units, sum(requests * requests) AS squares, max(requests) AS heaviest,
            argMin(variant, (-toInt64(requests), of_unit)) AS heaviest_variant, sum(stale) AS stale_requests,
            length(arrayDistinct(arrayFlatten(groupArray(stale_gateways)))) AS gateways
          FROM (SELECT step, of_unit, count() AS requests, max(assigned) AS variant, countIf(is_stale) AS stale,
              groupUniqArrayIf(gateway, is_stale) AS stale_gateways
            FROM (SELECT ${from} + intDiv(toUnixTimestamp64Milli(created_at) - ${from}, ${step}) * ${step} AS step, unit AS of_unit,
                toString(assigned_variant) AS assigned, gateway_id AS gateway,
                arrayExists((begin, version) -> begin <= toUnixTimestamp64Milli(created_at) AND version > config_version,
                  ${begins}, ${versions}) AS is_stale
              FROM ${name(INFERENCES.name)} FINAL
              WHERE organization_id = ${uuid(organizationId)} AND group_id = ${uuid(groupId)} AND created_at >= ${moment(since)}
                AND created_at < ${moment(until)} AND shadow_of IS NULL AND served_reason != 'shadow')
            GROUP BY step, of_unit)
          GROUP BY step ORDER BY step`,
        await leftMs(),
      );
      return rows.map((row) => ({
        ...{ stepMs: countOf(row['step']), requests: countOf(row['total']), units: countOf(row['units']) },
        ...{ squares: countOf(row['squares']), heaviest: countOf(row['heaviest']) },
        heaviestVariant: String(row['heaviest_variant']),
        ...{ stale: countOf(row['stale_requests']), staleGateways: countOf(row['gateways']) },
      }));
    },
  };
}
