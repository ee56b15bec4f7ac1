import { defineConfig } from 'vitest/config';

const pure = ['tests/unit/**/*.test.ts', 'tests/property/**/*.test.ts', 'tests/architecture/**/*.test.ts'];
const real = [
  'tests/contract/**/*.test.ts',
  'tests/integration/**/*.test.ts',
  'tests/faults/**/*.test.ts',
  'tests/e2e/**/*.test.ts',
];

/**
 * Files at a time. One more than the cores of a small machine: much of their time tests on real parts wait for processes to start and
 * rows to be stored. The same for both projects, which then run side by side.
 */
const WORKERS = 3;

/**
 * Files share their worker, and with it every module that is loaded: loading them anew for each file is a second of a processor.
 * What a test changes of the process itself (spies, the environment, timers, certificates) it puts back.
 */
const SHARED = { isolate: false, maxWorkers: WORKERS } as const;

/** `unit` needs nothing but Node; `real` runs on a PostgreSQL of its own and on real sockets and processes. */
export default defineConfig({
  test: {
    reporters: ['default', './tests/support/fault-reporter.ts', './tests/support/count-reporter.ts'],
    projects: [
      // Some of them write hundreds of files: seconds, when the machine has other work.
      { test: { name: 'unit', include: pure, testTimeout: 30_000, ...SHARED } },
      {
        test: {
          name: 'real',
          include: real,
          globalSetup: ['./tests/support/postgres-server.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...SHARED,
        },
      },
    ],
  },
});
