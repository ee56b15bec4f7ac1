import { isOutage } from '#store/pool.ts';
import type { Listen } from './settings.ts';

/** An address that somebody else has. */
export class AddressTakenError extends Error {
  override name = 'AddressTakenError';

  constructor(listen: Listen) {
    super(
      `${listen.host}:${listen.port} is taken; stop what listens there or set ${listen.variable} to another address`,
    );
  }
}

/** Names the variable when `start` fails because its address is taken; `isTaken` tells that failure from others. */
export async function namingAddress<Result>(
  listen: Listen,
  start: () => Promise<Result>,
  isTaken: (error: { readonly code?: unknown; readonly name?: unknown }) => boolean = ({ code }) =>
    code === 'EADDRINUSE',
): Promise<Result> {
  try {
    return await start();
  } catch (error) {
    if (isTaken(error as object)) throw new AddressTakenError(listen);
    throw error;
  }
}

/** One clear line for whatever stopped a start; defects keep their stack. */
export function explainStartFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isOutage(error))
    return `the database cannot be reached: ${error.message || (error as { code?: string }).code}; check DATABASE_URL`;
  if (error.name === 'SettingsError' || error.name === 'AddressTakenError') return error.message;
  return error.stack ?? error.message;
}
