import { RingsideError } from '#core/errors.ts';
import type { FlowDeps } from './ports.ts';

/** Lets a request in, or refuses it before anything is spent on it: nothing is served that cannot be recorded. */
export function admit(deps: FlowDeps): void {
  if (deps.spool.accepting) return;
  throw new RingsideError(
    'log_unavailable',
    'The inference log cannot take more at the moment (spool full); try again.',
    {
      retryAfterSeconds: 1,
    },
  );
}
