import { type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

export type FeedbackRow = Selectable<Database['feedback']>;

export interface FeedbackFilter {
  readonly inferenceId: string | undefined;
  readonly experimentId: string | undefined;
  readonly metric: string | undefined;
  readonly state: FeedbackRow['state'] | undefined;
}

/** A place in a list, newest first. */
export interface FeedbackPlace {
  readonly receivedAt: Date;
  readonly id: string;
}

/** Reports of an organization, the newest first. @param page `after`: the last one of the page before */
export function listFeedback(
  tx: Tx,
  organizationId: string,
  filter: FeedbackFilter,
  page: { readonly after: FeedbackPlace | undefined; readonly limit: number },
): Promise<FeedbackRow[]> {
  const { inferenceId, experimentId, metric, state } = filter;
  const { after, limit } = page;
  return tx
    .selectFrom('feedback')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .$if(inferenceId !== undefined, (query) => query.where('inference_id', '=', inferenceId!))
    .$if(experimentId !== undefined, (query) => query.where('experiment_id', '=', experimentId!))
    .$if(metric !== undefined, (query) => query.where('metric', '=', metric!))
    .$if(state !== undefined, (query) => query.where('state', '=', state!))
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(received_at, id) < (${after!.receivedAt}, ${after!.id})`),
    )
    .orderBy('received_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** How late one metric's reports come in one arm, and of how many inferences there are any; mirrored calls left out. */
export interface LabelDelay {
  readonly metric: string;
  readonly arm: number;
  /** Reports that count in the experiment. */
  readonly reports: number;
  /** Inferences that have one or more. */
  readonly reported: number;
  /** All that count in the arm. */
  readonly inferences: number;
  /** `reported / inferences`; null where no inference counts yet. */
  readonly coverage: number | null;
  /** From the inference to what was observed; null where there are no reports. */
  readonly delayMs: { readonly p50: number; readonly p90: number; readonly p99: number } | null;
}

/** Reports since the experiment began whose inference is not known, by metric: of the whole organization, since nobody knows where they belong. */
export interface UnjoinedReports {
  readonly metric: string;
  readonly pending: number;
  readonly unmatched: number;
}

export interface LabelDelays {
  readonly arms: readonly LabelDelay[];
  readonly unjoined: readonly UnjoinedReports[];
}

interface DelayRow {
  readonly metric: string;
  readonly arm: number;
  readonly reports: number;
  readonly reported: number;
  readonly delays: readonly string[] | null;
}

/** How late the feedback of an experiment comes, and how much of it is missing. Quantiles are exact. */
export async function labelDelays(tx: Tx, experimentId: string): Promise<LabelDelays> {
  const { rows } = await sql<DelayRow>`
    SELECT metric, arm, count(*) AS reports, count(DISTINCT inference_id) AS reported,
      percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY delay_ms)::text[] AS delays
    FROM feedback WHERE experiment_id = ${experimentId} AND NOT is_shadow GROUP BY metric, arm ORDER BY metric, arm`.execute(
    tx,
  );
  const { rows: totals } = await sql<{ arm: number; inferences: number }>`
    SELECT arm, sum(requests)::bigint AS inferences FROM experiment_totals WHERE experiment_id = ${experimentId}
    GROUP BY arm`.execute(tx);
  const inferencesOf = new Map(totals.map(({ arm, inferences }) => [arm, inferences]));
  const { rows: unjoined } = await sql<UnjoinedReports>`
    SELECT f.metric, count(*) FILTER (WHERE f.state = 'pending') AS pending,
      count(*) FILTER (WHERE f.state = 'unmatched') AS unmatched
    FROM rollouts AS r JOIN feedback AS f ON f.organization_id = r.organization_id AND f.state <> 'joined'
      AND f.received_at >= coalesce(r.started_at, r.created_at)
    WHERE r.id = ${experimentId} GROUP BY f.metric ORDER BY f.metric`.execute(tx);
  return { arms: rows.map((row) => delayOf(row, inferencesOf.get(row.arm) ?? 0)), unjoined };
}

function delayOf({ delays, ...row }: DelayRow, inferences: number): LabelDelay {
  const [p50, p90, p99] = (delays ?? []).map(Number);
  return {
    ...row,
    inferences,
    coverage: inferences === 0 ? null : row.reported / inferences,
    delayMs: p50 === undefined || p90 === undefined || p99 === undefined ? null : { p50, p90, p99 },
  };
}
