import type { Reporter, TestModule } from 'vitest/node';
import type { FaultResult } from './fault-results.ts';

const FAULTS = ['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9', 'R10', 'R11', 'R25'];
const COLUMNS = [
  'fault',
  'acknowledged',
  'stored',
  'dead letters',
  'unlogged',
  'duplicates',
  'lost',
  'ledger balanced',
  'done',
];

/** Prints what the fault tests counted, when any ran. */
export default class FaultReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const results = tests.flatMap((test) => test.meta().faults ?? []);
    const isWhole = process.env['FAULTS_WHOLE'] === '1';
    if (results.length === 0 && !isWhole) return;
    const skipped = tests.filter((test) => test.result().state === 'skipped').map(({ fullName }) => fullName);
    const uncounted = uncountedFaults(results, skipped);
    const text = tableOf(
      results.toSorted((a, b) => numberOf(a.fault) - numberOf(b.fault)),
      uncounted,
    );
    process.once('exit', () => {
      process.stdout.write(text);
      if (isWhole && uncounted.missing.length > 0) process.exitCode = 1;
    });
  }
}

export interface UncountedFaults {
  /** No test of theirs says why. */
  readonly missing: readonly string[];
  readonly skipped: readonly string[];
}

/** The faults without a count, by whether a skipped test names them: `R5: …`. */
export function uncountedFaults(
  results: readonly Pick<FaultResult, 'fault'>[],
  skippedTests: readonly string[],
): UncountedFaults {
  const counted = new Set(results.map(({ fault }) => fault));
  const uncounted = FAULTS.filter((fault) => !counted.has(fault));
  const isSkipped = (fault: string) => skippedTests.some((name) => new RegExp(`\\b${fault}:`).test(name));
  return {
    missing: uncounted.filter((fault) => !isSkipped(fault)),
    skipped: uncounted.filter(isSkipped),
  };
}

function tableOf(results: readonly FaultResult[], { missing, skipped }: UncountedFaults): string {
  const rows = results.map((result) => [
    ...[result.fault, String(result.acknowledged), String(result.stored), String(result.deadLetters)],
    ...[
      String(result.unlogged ?? 0),
      String(result.duplicates),
      String(result.lost),
      result.balanced ? 'yes' : 'NO',
      result.scope,
    ],
  ]);
  const widths = COLUMNS.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]!.length)));
  const lineOf = (cells: readonly string[]) => cells.map((cell, at) => cell.padEnd(widths[at]!)).join('  ');
  return [
    ...['', lineOf(COLUMNS), lineOf(widths.map((width) => '-'.repeat(width))), ...rows.map(lineOf)],
    ...(skipped.length === 0 ? [] : [`SKIPPED in this run: ${skipped.join(', ')}`]),
    ...(missing.length === 0 ? [] : [`not counted in this run: ${missing.join(', ')}`]),
    '',
  ].join('\n');
}

function numberOf(fault: string): number {
  return Number(fault.slice(1));
}
