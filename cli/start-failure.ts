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

/** A command cannot do what it was asked: it was refused, or failed. The message says it all; the command ends with 1. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** Errors whose message is the whole line. */
const PLAIN: readonly string[] = [
  'SettingsError',
  'AddressTakenError',
  'CommandError',
  'UsageError',
  'ArchiveDamagedError',
  'ArchiveMissingError',
  'UnknownGroupError',
];

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

/** One clear line for whatever stopped a start; only defects come with their stack. */
export function explainStartFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (PLAIN.includes(error.name)) return error.message;
  const outage = causes(error).find((cause) => isOutage(cause) && !isShort(cause));
  if (outage !== undefined) {
    const reason = outage.message === '' ? String((outage as { code?: unknown }).code) : outage.message;
    return `the database cannot be reached: ${reason}; check DATABASE_URL`;
  }
  // What PostgreSQL and the operating system refuse has a code, and a message that says it all.
  if (causes(error).some((cause) => typeof (cause as { code?: unknown }).code === 'string')) return error.message;
  return error.stack ?? error.message;
}

/** Whether the database lacks disk or memory for what it was asked: it answers, and may be asked again, but not elsewhere. */
function isShort(error: Error): boolean {
  return /^53[12]/.test(String((error as { code?: unknown }).code));
}

function causes(error: Error): Error[] {
  return error.cause instanceof Error ? [error, ...causes(error.cause)] : [error];
}
