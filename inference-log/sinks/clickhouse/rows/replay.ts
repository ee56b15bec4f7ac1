import type { ArmSums } from '#core/experiments/look.ts';
import { REPLAY_MEASURES, type ReplayMeasure } from '#core/replay/replay.ts';
import { armSums, type FlatSums } from '#store/experiment-sums.ts';
import type { LogRows } from '#store/log-rows.ts';
import { type ProposedShare, REPLAY_COLUMNS, type ReplayWindow, SIZES } from '#store/replay.ts';
import { INFERENCES } from '../columns.ts';
import { type Fragment, int, ints, join, moment, name, sql, texts, uuid } from '../statement.ts';
import { type Asking, countOf } from './asking.ts';
import { measuredRows } from './measured-rows.ts';
import { flatSums, unitSum } from './unit-sums.ts';

type CellLine = { readonly actual: string; readonly proposed: string; readonly kind: string } & Readonly<
  Record<string, string>
>;

/** The questions of store/replay.ts. */
export function createReplay(asking: Asking): Pick<LogRows, 'replayCells' | 'replayPeaks'> {
  return {
    async replayCells({ leftMs }, window, proposed, ingest) {
      const rows = measuredRows(conditionsOf(window), ingest, {
        ...{ actual: sql`toString(assigned_variant)`, proposed: proposedOf(proposed), digest: sql`MD5(unit)` },
        kind: sql`concat(operation, if(streamed, ' streamed', ''), ' size ',
          toString(arrayCount(size -> request_bytes >= size, ${ints(SIZES)})))`,
      });
      const perUnit = REPLAY_MEASURES.map((measure) => {
        const [sum, count] = REPLAY_COLUMNS[measure];
        return sql`${unitSum(sum)} AS ${name(`${measure}_s`)}, ${unitSum(count)} AS ${name(`${measure}_n`)}`;
      });
      const sums = REPLAY_MEASURES.map((measure) => flatSums(`${measure}_s`, `${measure}_n`, `${measure}_`));
      const found = await asking.lines<CellLine>(
        sql`SELECT actual, proposed, kind, sum(inferences) AS total, ${join(sums)}
          FROM (SELECT actual, proposed, kind, count() AS inferences, ${join(perUnit)}
            FROM (${rows}) GROUP BY actual, proposed, kind, digest)
          GROUP BY actual, proposed, kind ORDER BY actual, proposed, kind`,
        await leftMs(),
      );
      return found.map((line) => ({
        ...{ actual: line.actual, proposed: line.proposed, kind: line.kind, inferences: countOf(line['total']) },
        measures: Object.fromEntries(
          REPLAY_MEASURES.map((measure) => [measure, armSums(flatOf(line, measure))!]),
        ) as Record<ReplayMeasure, ArmSums>,
      }));
    },
    async replayPeaks({ leftMs }, window, proposed) {
      const rows = await asking.lines<{ is_before: number; variant: string; most: string; most_tokens: string }>(
        sql`SELECT is_before, variant, max(inferences) AS most, max(tokens) AS most_tokens
          FROM (SELECT minute, side.1 AS is_before, side.2 AS variant, count() AS inferences, sum(tokens_of_one) AS tokens
            FROM (SELECT toStartOfMinute(created_at) AS minute, toString(assigned_variant) AS actual, ${proposedOf(proposed)} AS proposed,
                toInt64(ifNull(input_tokens, 0)) + ifNull(output_tokens, 0) AS tokens_of_one
              FROM ${name(INFERENCES.name)} FINAL WHERE ${conditionsOf(window)})
            ARRAY JOIN [(1, actual), (0, proposed)] AS side GROUP BY minute, is_before, variant)
          GROUP BY is_before, variant ORDER BY variant`,
        await leftMs(),
      );
      const side = (isBefore: number) =>
        rows
          .filter((row) => row.is_before === isBefore)
          .map(({ variant, most, most_tokens }) => ({
            ...{ variant, inferences: countOf(most), tokens: countOf(most_tokens) },
          }));
      return { before: side(1), after: side(0) };
    },
  };
}

function flatOf(line: CellLine, measure: ReplayMeasure): FlatSums {
  const of = (column: keyof FlatSums) => line[`${measure}_${column}`]!;
  return {
    ...{ units: of('units'), count: of('count'), countSquares: of('countSquares') },
    ...{ sum: of('sum'), sumSquares: of('sumSquares'), products: of('products') },
  };
}

/** Every bucket has one range. */
function proposedOf(proposed: readonly ProposedShare[]): Fragment {
  const shares = proposed.flatMap(({ variant, ranges }) => ranges.map(([from, to]) => ({ variant, from, to })));
  const [froms, tos] = [ints(shares.map(({ from }) => from)), ints(shares.map(({ to }) => to))];
  return sql`arrayElement(${texts(shares.map(({ variant }) => variant))},
    arrayFirstIndex((begin, end) -> bucket >= begin AND bucket < end, ${froms}, ${tos}))`;
}

/** Sessions and mirrored calls are not split. */
function conditionsOf({ organizationId, groupId, since, until, shareOf256 }: ReplayWindow): Fragment {
  const sampled =
    shareOf256 >= 256 ? sql`` : sql` AND reinterpretAsUInt8(substring(MD5(unit), 1, 1)) < ${int(shareOf256)}`;
  return sql`organization_id = ${uuid(organizationId)} AND group_id = ${uuid(groupId)} AND created_at >= ${moment(since)}
    AND created_at < ${moment(until)} AND shadow_of IS NULL AND served_reason != 'pinned'${sampled}`;
}
