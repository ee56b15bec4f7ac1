import { LogTooMuchError } from './log-rows.ts';

/** The name of the unique constraint or index that a statement ran into; undefined for any other error. */
export function violatedUnique(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === '23505' && typeof constraint === 'string' ? constraint : undefined;
}

/** Whether a transaction lost against another one (serialisation failure, deadlock, lock timeout) and may be repeated as it is. */
export function isContention(error: unknown): boolean {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return code === '40001' || code === '40P01' || code === '55P03';
}

/** Whether a statement was ended because it took longer than it may (`statement_timeout`), or a question about rows elsewhere. */
export function isTooSlow(error: unknown): boolean {
  if (error instanceof LogTooMuchError) return true;
  return error instanceof Error && (error as { code?: unknown }).code === '57014';
}

/** A row was changed by somebody else since it was read; like a lost transaction, the work may be repeated from its start. */
export class ContentionError extends Error {
  override name = 'ContentionError';
  readonly code = '40001';
}
