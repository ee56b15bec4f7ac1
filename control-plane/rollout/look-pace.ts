/** A rollout as far as its pace needs it. */
export interface PacedRollout {
  readonly id: string;
  readonly version: number;
  readonly plan: { readonly intervalMs: number };
}

/** How one rollout was looked at last. */
interface Pace {
  readonly atMs: number;
  /** As the look left it: where another one is found, somebody has changed the rollout. */
  readonly version: number;
  /** In a row. */
  readonly failures: number;
  /** Not before, unless somebody changes it. */
  readonly nextAtMs: number;
}

/**
 * A look takes no more than this part of the time between looks: one over a million units reads hundreds of megabytes, and twenty
 * rollouts look at the same database.
 */
const LOOK_SHARE = 0.1;
const FIRST_RETRY_MS = 1_000;
/** Or the interval of the rollout, where that is longer. */
const LAST_RETRY_MS = 60_000;
/** Each wait is longer by up to this part, so that looks that failed together do not come back together. */
const JITTER = 0.5;

/**
 * When each rollout is looked at next. Nothing of it is kept anywhere else: a new process looks at once.
 *
 *   unknown ──▶ due ──looked──▶ waits its interval, or ten times what the look took ──▶ due
 *                └────failed──▶ waits a growing while, at most a minute or its interval ──▶ due
 *
 * @param random in [0, 1)
 */
export function createLookPace(random: () => number) {
  const paces = new Map<string, Pace>();

  return {
    isDue({ id, version }: PacedRollout, nowMs: number): boolean {
      const last = paces.get(id);
      return last === undefined || last.version !== version || nowMs >= last.nextAtMs;
    },
    /** When a rollout was looked at last, for those who wait longest to come first; before all others where it never was. */
    lastAtMs(id: string): number {
      return paces.get(id)?.atMs ?? Number.NEGATIVE_INFINITY;
    },
    looked({ id, version, plan }: PacedRollout, atMs: number, tookMs: number): void {
      const nextAtMs = atMs + Math.max(plan.intervalMs, tookMs / LOOK_SHARE);
      paces.set(id, { atMs, version, failures: 0, nextAtMs });
    },
    /** @returns how many looks in a row have failed now */
    failed({ id, version, plan }: PacedRollout, nowMs: number): number {
      const failures = (paces.get(id)?.failures ?? 0) + 1;
      const mostMs = Math.max(LAST_RETRY_MS, plan.intervalMs);
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), mostMs) * (1 + JITTER * random());
      paces.set(id, { atMs: nowMs, version, failures, nextAtMs: nowMs + waitMs });
      return failures;
    },
    /** After a step of the engine's own, which is no reason to look again. */
    moved(id: string, version: number): void {
      const last = paces.get(id);
      if (last !== undefined) paces.set(id, { ...last, version });
    },
    forget(id: string): void {
      paces.delete(id);
    },
    /** Forgets all other rollouts. */
    keepOnly(ids: ReadonlySet<string>): void {
      for (const id of paces.keys()) if (!ids.has(id)) paces.delete(id);
    },
  };
}
