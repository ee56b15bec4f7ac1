/**
 * Reports what this gateway serves: soon after each change and every HEARTBEAT_MS, one report at a time.
 *
 *   new ──start──▶ idle ──soon──▶ reporting ──soon──▶ reporting, once more ──▶ reporting
 *                  any of them ──stop──▶ stopped, once the report under way is over
 */
export interface Heartbeat {
  start(): void;
  /** Something changed. Before the start and after the stop: nothing. */
  soon(): void;
  /** Resolves when no report is under way and none will be: a late one would undo the word that we have stopped. */
  stop(): Promise<void>;
}

const HEARTBEAT_MS = 2_000;

/** @param report writes down what is served at this moment; a failure is an outage, and the next one tries again */
export function createHeartbeat(report: () => Promise<void>): Heartbeat {
  let timer: NodeJS.Timeout | null = null;
  let reporting: Promise<void> | null = null;
  let again = false;
  const soon = (): void => {
    if (timer === null) return;
    again = reporting !== null;
    if (reporting !== null) return;
    reporting = report()
      .catch(() => undefined) // the configuration's sync speaks of outages
      .then(() => {
        reporting = null;
        if (again) soon();
      });
  };
  return {
    start() {
      timer = setInterval(soon, HEARTBEAT_MS);
    },
    soon,
    async stop() {
      if (timer !== null) clearInterval(timer);
      timer = null;
      await reporting;
    },
  };
}
