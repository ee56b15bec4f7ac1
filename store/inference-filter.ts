import { type RawBuilder, sql } from 'kysely';
import type { Role } from '#core/weights.ts';

/** From … to, both included; an end that is left out is open. */
export interface Span {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** What a list of inferences is narrowed to. Times are half-open: `since` ≤ created < `until`. */
export interface InferenceFilter {
  /** Groups to look in; their tables are the only ones touched. */
  readonly groupIds: readonly string[];
  readonly assignedVariant?: string | undefined;
  readonly servedVariant?: string | undefined;
  /** The role that the assigned variant had when the inference was made. */
  readonly role?: Role | undefined;
  readonly keyIds?: readonly string[] | undefined;
  readonly unit?: string | undefined;
  readonly status?: Span | undefined;
  readonly outcome?: string | undefined;
  readonly errorCode?: string | undefined;
  /** A variant's model, or what an attempt called upstream. */
  readonly model?: string | undefined;
  readonly operation?: string | undefined;
  readonly dialect?: string | undefined;
  readonly finishReason?: string | undefined;
  readonly streamed?: boolean | undefined;
  readonly totalNs?: Span | undefined;
  readonly firstTokenNs?: Span | undefined;
  readonly inputTokens?: Span | undefined;
  readonly outputTokens?: Span | undefined;
  readonly costMicroUsd?: Span | undefined;
  readonly traceId?: string | undefined;
  /** What the metadata holds, among other things. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** The id of the experiment that it counts in. */
  readonly experimentId?: string | undefined;
  /** Only mirrored calls, or none of them. */
  readonly shadow?: boolean | undefined;
  /** Words of prompt or answer, as web searches spell them. */
  readonly text?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

/** The parts of a filter that a GIN index answers, behind `find_inferences`. */
type SearchPart = 'metadata' | 'text';

/**
 * The conditions of a filter on a row of `inferences` called `row`, as far as the columns of the row itself say. They are
 * written so that row-level security lets an index be used: with leakproof operators only (docs/decisions/0015).
 */
export function conditionsOf(
  organizationId: string,
  filter: InferenceFilter,
  leaveOut: readonly SearchPart[] = [],
): RawBuilder<unknown>[] {
  return [
    sql`row.organization_id = ${organizationId}`,
    ...equalities(filter),
    ...spans(filter),
    ...(filter.role === undefined ? [] : [roleIs(filter.role)]),
    ...(filter.since === undefined ? [] : [sql`row.created_at >= ${filter.since}`]),
    ...(filter.until === undefined ? [] : [sql`row.created_at < ${filter.until}`]),
    ...(leaveOut.includes('metadata') ? [] : metadataIs(filter)),
    ...(leaveOut.includes('text') ? [] : textIs(filter)),
  ];
}

function equalities(filter: InferenceFilter): RawBuilder<unknown>[] {
  const { unit, model, keyIds, streamed, shadow } = filter;
  const conditions: RawBuilder<unknown>[] = [];
  const equals = (column: string, value: string | undefined) => {
    if (value !== undefined) conditions.push(sql`row.${sql.ref(column)} = ${value}`);
  };
  equals('assigned_variant', filter.assignedVariant);
  equals('served_variant', filter.servedVariant);
  equals('outcome', filter.outcome);
  equals('error_code', filter.errorCode);
  equals('operation', filter.operation);
  equals('dialect', filter.dialect);
  equals('finish_reason', filter.finishReason);
  equals('trace_id', filter.traceId);
  equals('experiment_id', filter.experimentId);
  if (shadow !== undefined) conditions.push(shadow ? sql`row.shadow_of IS NOT NULL` : sql`row.shadow_of IS NULL`);
  if (streamed !== undefined) conditions.push(sql`row.streamed = ${streamed}`);
  if (keyIds !== undefined) conditions.push(sql`row.key_id = ANY (${[...keyIds]}::uuid[])`);
  // The index is on the digest; the unit itself says that it is no other one's.
  if (unit !== undefined) conditions.push(sql`md5(row.unit) = md5(${unit}::text)`, sql`row.unit = ${unit}`);
  if (model !== undefined) {
    const attempt = JSON.stringify([{ upstreamModel: model }]);
    conditions.push(
      sql`(row.assigned_variant = ${model} OR row.served_variant = ${model} OR row.attempts @> ${attempt}::jsonb)`,
    );
  }
  return conditions;
}

function spans(filter: InferenceFilter): RawBuilder<unknown>[] {
  const named = [
    ['status', filter.status, 'smallint'],
    ['total_ns', filter.totalNs, 'bigint'],
    ['first_token_ns', filter.firstTokenNs, 'bigint'],
    ['input_tokens', filter.inputTokens, 'integer'],
    ['output_tokens', filter.outputTokens, 'integer'],
    ['cost_micro_usd', filter.costMicroUsd, 'bigint'],
  ] as const;
  return named.flatMap(([column, span, type]) => {
    const bound = (operator: string, value: number | undefined) =>
      value === undefined ? [] : [sql`row.${sql.ref(column)} ${sql.raw(operator)} ${value}::${sql.raw(type)}`];
    return [...bound('>=', span?.from), ...bound('<=', span?.to)];
  });
}

/** Looked up in the split that was in force: the newest one of the group at the row's configuration version. */
function roleIs(role: Role): RawBuilder<unknown> {
  return sql`EXISTS (
    SELECT FROM jsonb_array_elements((
      SELECT variants FROM weight_versions AS split
      WHERE split.group_id = row.group_id AND split.config_version <= row.config_version
      ORDER BY split.config_version DESC LIMIT 1
    )) AS variant
    WHERE variant ->> 'model' = row.assigned_variant AND variant ->> 'role' = ${role})`;
}

function metadataIs({ metadata }: InferenceFilter): RawBuilder<unknown>[] {
  return metadata === undefined ? [] : [sql`row.metadata @> ${JSON.stringify(metadata)}::jsonb`];
}

function textIs({ text, groupIds }: InferenceFilter): RawBuilder<unknown>[] {
  if (text === undefined) return [];
  return [
    sql`EXISTS (
      SELECT FROM inference_payloads AS payload
      WHERE payload.group_id = row.group_id AND payload.group_id = ANY (${[...groupIds]}::uuid[])
        AND payload.created_at = row.created_at AND payload.id = row.id
        AND payload_search(payload.request, payload.response) @@ websearch_to_tsquery('simple', ${text}))`,
  ];
}
