import type { InferenceFilter, Span } from './inference-filter.ts';

/** What `find_inferences` looks for: the parts of a filter that have an index. */
export interface Sought
  extends Pick<InferenceFilter, 'metadata' | 'text' | 'unit' | 'traceId' | 'keyIds' | 'outcome' | 'errorCode'> {
  readonly statusFrom?: number | undefined;
  readonly statusTo?: number | undefined;
}

export function soughtOf(filter: InferenceFilter): Sought {
  const { metadata, text, unit, traceId, keyIds, errorCode } = filter;
  const { status, outcome } = troubleOf(filter);
  return { metadata, text, unit, traceId, keyIds, statusFrom: status?.from, statusTo: status?.to, outcome, errorCode };
}

/** Status and outcome, as far as only inferences that did not simply succeed meet them: these have an index of their own. */
function troubleOf({ status, outcome }: InferenceFilter): { status: Span | undefined; outcome: string | undefined } {
  return {
    status: (status?.from ?? 0) >= 400 ? status : undefined,
    outcome: outcome === 'completed' ? undefined : outcome,
  };
}

/** Whether an index leads to inferences that did not simply succeed. */
export function isTrouble(filter: InferenceFilter): boolean {
  const { status, outcome } = troubleOf(filter);
  return status !== undefined || outcome !== undefined || filter.errorCode !== undefined;
}

/**
 * Whether keys are found first, by `find_inferences`, and then the rows of these are read: in one group where only a GIN index
 * leads to the rows; over many wherever indexes say it all, or leave so little that the rest is checked on the rows.
 */
export function isFoundByKey(filter: InferenceFilter): boolean {
  if (filter.metadata !== undefined || filter.text !== undefined) return true;
  if (filter.groupIds.length === 1) return false;
  return filter.traceId !== undefined || !hasMore(filter);
}

/** Whether a filter asks for something that no index has. That a call is no mirrored one goes for most rows: it is checked on them. */
function hasMore(filter: InferenceFilter): boolean {
  const { groupIds, since, until, metadata, text, unit, traceId, keyIds, errorCode, status, outcome, shadow, ...more } =
    filter;
  const trouble = troubleOf(filter);
  if (status !== trouble.status || outcome !== trouble.outcome || shadow === true) return true;
  return Object.values(more).some((part) => part !== undefined);
}
