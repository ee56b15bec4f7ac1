import { type Awaited, countServing } from '#store/gateways.ts';
import { listen } from '#store/notifications.ts';
import type { Db } from '#store/pool.ts';

/** How many gateways were live, and how many of them served the awaited version, when the wait ended. */
export interface Served {
  readonly serving: number;
  readonly live: number;
}

/** Waits until gateways have taken up a change. */
export interface ServedWaiter {
  /** Ends when every live gateway serves the version, at the latest after the bound. Never throws: the change is made. */
  wait(awaited: Awaited): Promise<Served>;
  stop(): Promise<void>;
}

interface ServedWaiterDeps {
  readonly db: Db;
  readonly databaseUrl: string;
  readonly waitMs: number;
  readonly log: (line: string) => void;
}

/** A gateway that was not heard of for this long is not waited for. */
const LIVE_WITHIN_MS = 5_000;
/** Looks again this often even without a nudge: the listening connection may be down, or a gateway may just have died. */
const LOOK_AGAIN_MS = 200;
const LISTEN_RETRY_MS = 1_000;

export function createServedWaiter({ db, databaseUrl, waitMs, log }: ServedWaiterDeps): ServedWaiter {
  const sleepers = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of sleepers) wake();
  };
  const unlisten = listen({
    databaseUrl,
    role: 'application',
    channels: ['gateways'],
    onNudge: wakeAll,
    onConnected: wakeAll,
    retryMs: LISTEN_RETRY_MS,
  });
  let stopped = false;

  /** Resolves at the next nudge after the call, or after `timeoutMs`; `cancel` lets go of it at once. */
  const nextNudge = (timeoutMs: number) => {
    let cancel = () => {};
    const nudged = new Promise<void>((resolve) => {
      cancel = () => {
        clearTimeout(timer);
        sleepers.delete(cancel);
        resolve();
      };
      const timer = setTimeout(() => cancel(), timeoutMs);
      sleepers.add(cancel);
    });
    return { nudged, cancel };
  };

  return {
    async wait(awaited) {
      const deadline = performance.now() + waitMs;
      for (;;) {
        const left = deadline - performance.now();
        // Taken before the look, so that a report that arrives between the two still wakes us.
        const nudge = nextNudge(Math.max(0, Math.min(left, LOOK_AGAIN_MS)));
        const counted = countServing(db, awaited, LIVE_WITHIN_MS).catch((error: unknown) => {
          log(`cannot tell which gateways serve ${awaited.kind} version ${awaited.version}: ${String(error)}`);
          return { serving: 0, live: 0 };
        });
        // The change is committed: its answer must not wait for a database that has frozen since.
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<{ serving: number; live: number }>((resolve) => {
          timer = setTimeout(() => resolve({ serving: 0, live: 0 }), Math.max(LOOK_AGAIN_MS, left));
        });
        const served = await Promise.race([counted, late]);
        clearTimeout(timer);
        if (stopped || left <= 0 || served.serving >= served.live) {
          nudge.cancel();
          return served;
        }
        await nudge.nudged;
      }
    },
    async stop() {
      stopped = true;
      wakeAll();
      await unlisten();
    },
  };
}
