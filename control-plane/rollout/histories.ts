import { traceOf } from '#core/reason.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded } from '#core/rollout/state.ts';
import { readsHistory } from '#store/experiment-history.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import { type Db, inOrganization } from '#store/pool.ts';
import { findRollout, type RolloutRow, updateRollout } from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';

interface HistoriesDeps {
  readonly db: Db;
  readonly past: Pick<RolloutPast, 'fillHistory'>;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

const RETRY_MS = 60_000;
/** Histories that are read at once, each on a connection of its own. */
export const HISTORIES_WIDTH = 2;

/**
 * Reads what units did before a rollout, once. That is days of the log, which takes minutes where there is much of it: so it is done
 * beside the rounds, since the fast guard does not wait. Until then means are compared without it, which is valid and wider.
 */
export function createHistories({ db, past, clock, log }: HistoriesDeps) {
  /** Not again before, where it failed. */
  const retryAtMs = new Map<string, number>();
  const underWay = new Map<string, Promise<void>>();

  const read = async ({ id, organization_id: organizationId }: RolloutRow) => {
    await inOrganization(db, organizationId, async (tx) => {
      const row = await findRollout(tx, organizationId, id);
      if (row !== undefined && readsHistory(row)) await past.fillHistory(tx, row);
    });
    await inOrganization(db, organizationId, async (tx) => {
      const row = await findRollout(tx, organizationId, id, 'update');
      if (row === undefined || hasEnded(row.state)) return;
      const memory = { ...rolloutMemorySchema.parse(row.memory), historyRead: true };
      await updateRollout(tx, row, { memory: JSON.stringify(memory) });
    });
  };

  return {
    /** Begins to, unless it is done, under way, or others are. A failure is said, and tried again at a later call; one that comes of a stop is not. */
    fill(rollout: RolloutRow, signal: AbortSignal): void {
      const { id, started_at: startedAt } = rollout;
      const { historyRead } = rolloutMemorySchema.parse(rollout.memory);
      if (startedAt === null || historyRead || underWay.has(id) || !readsHistory(rollout)) return;
      if (underWay.size >= HISTORIES_WIDTH) return;
      if (clock.nowMs() < (retryAtMs.get(id) ?? 0)) return;
      const reading = read(rollout)
        .then(() => void retryAtMs.delete(id))
        .catch((error: unknown) => {
          if (signal.aborted) return;
          retryAtMs.set(id, clock.nowMs() + RETRY_MS);
          log(`rollout ${id}: the history of its units is not read: ${traceOf(error)}`);
        })
        .finally(() => underWay.delete(id));
      underWay.set(id, reading);
    },
    async settle(): Promise<void> {
      await Promise.all(underWay.values());
    },
  };
}
