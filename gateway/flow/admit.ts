import { RingsideError } from '#core/errors.ts';
import type { SpoolTerms } from '#inference-log/spool-terms.ts';
import type { FlowDeps } from './ports.ts';

/** Lets a request in, or refuses it before anything is spent on it: its group's policy says what may be served without a record. */
export function admit(deps: FlowDeps, terms: SpoolTerms): void {
  if (deps.spool.accepts(terms)) return;
  throw new RingsideError(
    'log_unavailable',
    'The inference log cannot take more at the moment (spool full); try again.',
    {
      retryAfterSeconds: 1,
    },
  );
}
