import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { isUuid } from '#core/ids.ts';
import { metricOf } from './metrics.ts';
import type { Stack } from './stack.ts';
import { waitFor } from './wait.ts';

/** The whole log against what callers saw. */
export interface Audit {
  readonly acknowledged: number;
  readonly stored: number;
  readonly deadLetters: number;
  readonly duplicates: number;
  readonly lost: number;
  readonly balanced: boolean;
  /** The outcome of each row, by inference id. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** Where the ledger differs from the rows, and which acknowledged inferences are missing; for the failure's message. */
  readonly gaps: readonly unknown[];
}

const LEDGER = 'sum(stored) AS stored, sum(interrupted) AS interrupted FROM ringside.ledger';
const ROLLUPS = 'sum(count) AS stored, sum(interrupted) AS interrupted FROM ringside.rollups';
/** What the ledger and the rollups count, against the rows. */
const gapsOf = (counts: string) => `
  SELECT gateway_id, group_id, l.stored, r.stored AS rows_stored, l.interrupted, r.interrupted AS rows_interrupted
  FROM (SELECT gateway_id, group_id, ${counts} GROUP BY 1, 2) l
  FULL JOIN (
    SELECT gateway_id, group_id, count(*) FILTER (WHERE outcome <> 'interrupted') AS stored,
      count(*) FILTER (WHERE outcome = 'interrupted') AS interrupted
    FROM ringside.inferences GROUP BY 1, 2) r USING (gateway_id, group_id)
  WHERE coalesce(l.stored, 0) <> coalesce(r.stored, 0) OR coalesce(l.interrupted, 0) <> coalesce(r.interrupted, 0)`;

/**
 * Compares rows, ledger and dead letters with the acknowledged inferences, once everything is shipped. The rows are read as
 * they lie in the tables, by the login, which sees them all.
 */
export async function auditLog(
  databaseUrl: string,
  spoolRoots: readonly string[],
  acknowledged: readonly string[],
): Promise<Audit> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; outcome: string }>('SELECT id, outcome FROM ringside.inferences');
    const ledger = await client.query(gapsOf(LEDGER));
    const rollups = await client.query(gapsOf(ROLLUPS));
    const ledgerGaps: readonly unknown[] = [...ledger.rows, ...rollups.rows];
    const { rows: counted } = await client.query<{ dropped: string }>(
      'SELECT coalesce(sum(dropped), 0) AS dropped FROM ringside.ledger',
    );
    const outcomes = new Map(rows.map(({ id, outcome }) => [id, outcome]));
    const letters = new Set((await Promise.all(spoolRoots.map(readDeadLetters))).flat());
    const wanted = new Set(acknowledged);
    const stored = wanted.intersection(new Set(rows.flatMap(({ id, outcome }) => (isEnded(outcome) ? [id] : []))));
    const buried = wanted.intersection(letters);
    const missing = wanted.difference(stored).difference(letters);
    const lettersAgree = Number(counted[0]!.dropped) === letters.size;
    return {
      acknowledged: acknowledged.length,
      stored: stored.size,
      deadLetters: buried.size,
      duplicates: rows.length - outcomes.size + (acknowledged.length - wanted.size) + stored.intersection(letters).size,
      lost: missing.size,
      balanced: ledgerGaps.length === 0 && lettersAgree,
      outcomes,
      gaps: [
        ...ledgerGaps,
        ...(lettersAgree ? [] : [{ dropped: counted[0]!.dropped, letters: letters.size }]),
        ...missing,
      ],
    };
  } finally {
    await client.end();
  }
}

function isEnded(outcome: string): boolean {
  return outcome !== 'interrupted';
}

/** The ids in the dead-letter files; one that a crash has written twice counts once. */
async function readDeadLetters(spoolRoot: string): Promise<string[]> {
  const folder = join(spoolRoot, 'dead-letters');
  const names = await readdir(folder).catch((): string[] => []); // nothing has ever been set aside
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return lines.map((line) => (JSON.parse(line) as { id: string }).id);
}

/**
 * Waits until a running gateway has shipped all that lies in its folder, and its own ledger balances to the unit:
 * accepted = recorded + interrupted, recorded = stored + dead letters + refused, nothing in flight or spooled.
 * Nobody may send meanwhile.
 */
export async function waitForDrained(stack: Stack, workers: number, timeoutMs = 60_000): Promise<void> {
  let last = '';
  const isDrained = async () => {
    const spools = (await readdir(join(stack.dataFolder, 'spool'))).filter((name) => isUuid(name)).length;
    const text = await stack.metrics();
    const of = (name: string, label = '') => metricOf(text, `ringside_log_${name}`, label);
    const deadLetters = of('dropped_total', 'reason="dead_letter"');
    const refused = of('dropped_total') - deadLetters;
    const [accepted, recorded, interrupted] = [of('accepted_total'), of('recorded_total'), of('interrupted_total')];
    const [stored, spooled, inFlight] = [of('stored_total'), of('spooled'), of('in_flight')];
    last = JSON.stringify({ spools, accepted, recorded, interrupted, stored, spooled, inFlight, deadLetters, refused });
    return (
      spools === workers &&
      accepted === recorded + interrupted &&
      recorded === stored + deadLetters + refused &&
      spooled === 0 &&
      inFlight === 0
    );
  };
  await waitFor('the spools to be shipped and the ledger to balance', isDrained, timeoutMs).catch((error: Error) => {
    throw new Error(`${error.message}; last seen: ${last}`);
  });
}

/** What a spool folder holds beside dead letters. */
export async function spoolsIn(dataFolder: string): Promise<string[]> {
  return (await readdir(join(dataFolder, 'spool'))).filter((name) => name !== 'dead-letters');
}
