import { bucketOf } from '#core/histogram.ts';
import { unixMsOfId } from '#core/ids.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import type { Rollup } from '#inference-log/rollup.ts';
import type { Db } from '#store/pool.ts';

/** A row as far as it is counted. */
interface CountedRow {
  readonly id: string;
  readonly groupId: string;
  readonly assigned: string;
  readonly served: string | null;
  readonly code: string | null;
  readonly interrupted: boolean;
  readonly tokens: readonly (number | null)[];
  readonly cost: number | null;
  readonly totalNs: number;
  readonly firstTokenNs: number | null;
}

/** The figures of one minute, as both ways of finding them give them. */
export interface Figures {
  readonly key: readonly [
    groupId: string,
    minute: string,
    assigned: string,
    served: string | null,
    code: string | null,
  ];
  readonly count: number;
  readonly interrupted: number;
  readonly tokens: readonly number[];
  readonly withUsage: number;
  readonly cost: number;
  readonly withCost: number;
  readonly totalNs: number;
  readonly firstTokenNs: number;
  readonly latency: Readonly<Record<string, number>>;
  readonly firstToken: Readonly<Record<string, number>>;
}

/** Counts rows the plain way: all of them, again, from the start. */
function countAll(rows: readonly CountedRow[]): Figures[] {
  const keyOf = ({ id, groupId, assigned, served, code }: CountedRow): Figures['key'] => {
    const minute = new Date(unixMsOfId(id)).toISOString().replace(/\d\d\.\d{3}Z$/, '00.000Z');
    return [groupId, minute, assigned, served, code];
  };
  const figures = [...Map.groupBy(rows, (row) => JSON.stringify(keyOf(row))).values()].map((some): Figures => {
    const ended = some.filter(({ interrupted }) => !interrupted);
    const sum = (values: readonly (number | null)[]) =>
      values.reduce<number>((total, value) => total + (value ?? 0), 0);
    const spread = (values: readonly number[]) =>
      Object.fromEntries([...Map.groupBy(values, bucketOf)].map(([bucket, counted]) => [bucket, counted.length]));
    const firstTokens = ended.flatMap(({ firstTokenNs }) => firstTokenNs ?? []);
    return {
      key: keyOf(some[0]!),
      count: ended.length,
      interrupted: some.length - ended.length,
      tokens: [0, 1, 2, 3].map((kind) => sum(ended.map(({ tokens }) => tokens[kind]!))),
      withUsage: ended.filter(({ tokens }) => tokens[0] !== null || tokens[1] !== null).length,
      cost: sum(ended.map(({ cost }) => cost)),
      withCost: ended.filter(({ cost }) => cost !== null).length,
      totalNs: sum(ended.map(({ totalNs }) => totalNs)),
      firstTokenNs: sum(firstTokens),
      latency: spread(ended.map(({ totalNs }) => totalNs)),
      firstToken: spread(firstTokens),
    };
  });
  return sorted(figures);
}

function sorted(figures: readonly Figures[]): Figures[] {
  return figures.toSorted((a, b) => (JSON.stringify(a.key) < JSON.stringify(b.key) ? -1 : 1));
}

/** The figures that rows should have. */
export function figuresOf(rows: Iterable<InferenceRow>): Figures[] {
  return countAll(
    [...rows].map(({ id, begin, end }) => ({
      ...{
        id,
        groupId: begin.groupId,
        assigned: begin.assignedVariant,
        served: end.servedVariant,
        code: end.errorCode,
      },
      interrupted: end.outcome === 'interrupted',
      tokens: [end.inputTokens, end.outputTokens, end.cachedTokens, end.reasoningTokens],
      ...{ cost: end.costMicroUsd ?? null, totalNs: end.totalNs, firstTokenNs: end.firstTokenNs },
    })),
  );
}

/** The figures that the rows of the table should have. */
export async function figuresOfTable(db: Db): Promise<Figures[]> {
  const rows = await db.selectFrom('inferences').selectAll().execute();
  return countAll(
    rows.map((row) => ({
      ...{ id: row.id, groupId: row.group_id, assigned: row.assigned_variant, served: row.served_variant },
      ...{ code: row.error_code, interrupted: row.outcome === 'interrupted' },
      tokens: [row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens],
      ...{ cost: row.cost_micro_usd, totalNs: row.total_ns, firstTokenNs: row.first_token_ns },
    })),
  );
}

/** What the rollups say, of one gateway or summed over all. */
export async function rolledFigures(db: Db, gatewayId?: string): Promise<Figures[]> {
  const rows =
    gatewayId === undefined
      ? await db.selectFrom('rollup_minutes').selectAll().execute()
      : await db.selectFrom('rollups').selectAll().where('gateway_id', '=', gatewayId).execute();
  return sorted(
    rows.map((row) => ({
      key: [row.group_id, row.minute.toISOString(), row.assigned_variant, row.served_variant, row.error_code],
      ...{ count: row.count, interrupted: row.interrupted },
      tokens: [row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens],
      ...{ withUsage: row.with_usage, cost: row.cost_micro_usd, withCost: row.with_cost },
      ...{ totalNs: row.total_ns, firstTokenNs: row.first_token_ns },
      ...{ latency: row.latency, firstToken: row.first_token },
    })),
  );
}

/** Rollups of the memory sink in the same shape. */
export function figuresOfRollups(rollups: Iterable<Rollup>): Figures[] {
  return sorted(
    [...rollups].map((rollup) => ({
      key: [
        rollup.groupId,
        new Date(rollup.minuteMs).toISOString(),
        rollup.assignedVariant,
        rollup.servedVariant,
        rollup.errorCode,
      ],
      ...{ count: rollup.count, interrupted: rollup.interrupted },
      tokens: [rollup.inputTokens, rollup.outputTokens, rollup.cachedTokens, rollup.reasoningTokens],
      ...{ withUsage: rollup.withUsage, cost: rollup.costMicroUsd, withCost: rollup.withCost },
      ...{ totalNs: Number(rollup.totalNs), firstTokenNs: Number(rollup.firstTokenNs) },
      ...{ latency: rollup.latency, firstToken: rollup.firstToken },
    })),
  );
}
