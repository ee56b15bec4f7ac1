import type { Reporter, TestModule } from 'vitest/node';

/** Closes every run with one line that a machine can read: `N passed, N failed`. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    // A module that does not load and an error outside a test have no test to their name, and are failures all the same.
    let failed = errors.length;
    let skipped = 0;
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      if (module.state() === 'failed' && tests.every((test) => test.result().state !== 'failed')) failed++;
      for (const test of tests) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
    }
    process.once('exit', () => {
      if (skipped > 0) process.stdout.write(`\n${skipped} tests were SKIPPED; the output above says why\n`);
      process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
    });
  }
}
