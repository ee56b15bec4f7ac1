import { expect, type TestContext } from 'vitest';

/** What a fault test counted, in inferences. The fault reporter prints them as one table. */
export interface FaultResult {
  /** Its row in the table of faults: `R1`. */
  readonly fault: string;
  /** What was done: `10 kills, seed 42`. */
  readonly scope: string;
  /** Callers saw the end of the answer. */
  readonly acknowledged: number;
  /** Of those, in the store as they ended. */
  readonly stored: number;
  /** Of those, refused by the store for good: kept in the dead-letter file, and counted. */
  readonly deadLetters: number;
  /** Of those, served without a record because the policy of a full spool says so, and counted as dropped. */
  readonly unlogged?: number;
  readonly duplicates: number;
  readonly lost: number;
  /** Whether the ledger agrees with the rows to the unit. */
  readonly balanced: boolean;
}

declare module 'vitest' {
  interface TaskMeta {
    faults?: FaultResult[];
  }
}

/** Hands the counts to the table, and fails the test unless nothing was lost or doubled and the ledger balances. */
export function settleFault({ task }: Pick<TestContext, 'task'>, result: FaultResult): void {
  task.meta.faults ??= [];
  task.meta.faults.push(result);
  expect(result).toMatchObject({ lost: 0, duplicates: 0, balanced: true });
  // A test that had nothing to lose proves nothing.
  expect(result.acknowledged).toBeGreaterThan(0);
}
