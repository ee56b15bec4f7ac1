import { retryContention } from '#store/contention.ts';
import { experimentsDeriving } from '#store/derived-metrics.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Db } from '#store/pool.ts';
import { type DeriveDeps, deriveValidity, SCHEMA_VALIDITY } from '../shadow/derive-validity.ts';
import type { Job } from './scheduler.ts';

export interface DerivedMetricsJobDeps extends DeriveDeps {
  /** Of the role `leader`, which sees the experiments of all. */
  readonly leaderDb: Db;
  readonly everyMs: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** Inferences in one transaction: their bodies are held at once. */
const DERIVED_AT_ONCE = 50;

/**
 * Derives metrics of experiments from what was captured, as long as inferences wait: experiments take turns. When the log is away, its
 * reader has said so, and they wait for the next time.
 */
export function createDerivedMetricsJob({ leaderDb, everyMs, random, log, ...deps }: DerivedMetricsJobDeps): Job {
  return {
    name: 'derived-metrics',
    everyMs,
    async run(signal) {
      let givenUp = 0;
      try {
        let busy = await experimentsDeriving(leaderDb, SCHEMA_VALIDITY);
        while (busy.length > 0 && !signal.aborted) {
          const more: typeof busy = [];
          for (const experiment of busy) {
            if (signal.aborted) break;
            const batch = await retryContention(() => deriveValidity(deps, experiment, DERIVED_AT_ONCE), random);
            givenUp += batch.givenUp;
            if (batch.taken === DERIVED_AT_ONCE && !batch.isRefused) more.push(experiment);
          }
          busy = more;
        }
      } catch (error) {
        if (!(error instanceof LogUnavailableError)) throw error;
      }
      if (givenUp > 0)
        log(`${givenUp} inferences count without ${SCHEMA_VALIDITY}: what it is derived from never came`);
    },
  };
}
