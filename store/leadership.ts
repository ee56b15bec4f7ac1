import pg from 'pg';
import { connectionConfig } from './pool.ts';

/**
 * One leader among all processes that share a database, by an advisory lock that a connection of its own holds: the
 * server lets go of it when the process or its connection is gone.
 *
 *   waiting ──the lock is ours──▶ leading ──the connection breaks or falls silent──▶ waiting
 *      └──────────────stop──────────────┴──▶ stopped
 *
 * A process that was cut off may think for a moment that it still leads, while another one does: what a leader does must be
 * harmless when two do it.
 */
export interface Leadership {
  /** Lets go of the lock, if we have it. */
  stop(): Promise<void>;
}

export interface LeadershipOptions {
  readonly databaseUrl: string;
  /** How often a waiting process asks for the lock, and the most that another leader's end goes unnoticed. */
  readonly retryMs: number;
  /** How often a leader looks whether its connection lives, and how long the answer may take. */
  readonly checkMs: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** We lead, until the signal is aborted. */
  readonly onElected: (signal: AbortSignal) => void;
  /** The database cannot be asked, or we lost the lead; once per reason. */
  readonly onTrouble: (error: unknown) => void;
}

const LEADER_LOCK = 0x6c656164;
const GOODBYE_MS = 1_000;

/** Asks for the lead until stopped. Nothing is thrown: who does not lead has no work. */
export function seekLeadership(options: LeadershipOptions): Leadership {
  const { retryMs, checkMs, random } = options;
  const stopping = new AbortController();
  let leading: AbortController | undefined;
  let client: pg.Client | undefined;
  let lastTrouble = '';

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (stopping.signal.aborted) wake();
      else stopping.signal.addEventListener('abort', wake, { once: true });
    });

  const connect = async (): Promise<pg.Client> => {
    const next = new pg.Client(
      connectionConfig({
        databaseUrl: options.databaseUrl,
        role: 'leader',
        applicationName: 'ringside leader',
        queryTimeoutMs: checkMs,
      }),
    );
    next.on('error', () => leading?.abort()); // the query that runs, or the next one, fails with it
    next.on('end', () => leading?.abort());
    client = next;
    await next.connect();
    return next;
  };

  /** Until the connection breaks. */
  const hold = async (held: pg.Client) => {
    while (!stopping.signal.aborted && !(await tryLock(held))) await pause(retryMs * (0.5 + random() / 2));
    if (stopping.signal.aborted) return;
    const term = new AbortController();
    leading = term;
    lastTrouble = '';
    options.onElected(term.signal);
    while (!stopping.signal.aborted) {
      await pause(checkMs);
      if (term.signal.aborted) throw new Error('the connection that held the lead is gone');
      await held.query('SELECT 1');
    }
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        await hold(await connect());
      } catch (error) {
        const trouble = String(error);
        if (!stopping.signal.aborted && trouble !== lastTrouble) options.onTrouble(error);
        lastTrouble = trouble;
      }
      leading?.abort();
      leading = undefined;
      await goodbye(client);
      await pause(retryMs * (0.5 + random() / 2));
    }
  };

  const running = run();
  return {
    async stop() {
      stopping.abort();
      leading?.abort();
      await running;
    },
  };
}

/** A server that does not answer does not say goodbye either. */
async function goodbye(client: pg.Client | undefined): Promise<void> {
  const ended = client?.end().catch(() => undefined); // broken already; ending it frees the socket
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())]);
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>('SELECT pg_try_advisory_lock($1) AS ours', [LEADER_LOCK]);
  return rows[0]!.ours;
}
