/** SQLSTATEs that tell the log's store what to do next (PostgreSQL documentation, appendix A). */
const NO_PARTITION: readonly string[] = [
  '23514', // check_violation: no partition takes the row
  '42P01', // undefined_table: the partition that it was copied into
];
export const UNIQUE_VIOLATION = '23505';

/** A partition that we knew is not part of the log any more. */
export class DetachedPartitionError extends Error {
  override name = 'DetachedPartitionError';
}

export function isMissingPartition(error: unknown): boolean {
  return error instanceof DetachedPartitionError || NO_PARTITION.includes(sqlStateOf(error) ?? '');
}

/** Classes 22 (data), 23 (constraint) and 54 (limit exceeded): the same rows would fail again, unless a partition lacks. */
export function isDataError(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && !NO_PARTITION.includes(state) && /^(22|23|54)/.test(state);
}

export function sqlStateOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
