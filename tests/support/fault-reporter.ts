import type { Reporter, TestModule } from 'vitest/node';
import type { FaultResult } from './fault-results.ts';

const FAULTS = ['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9', 'R10', 'R11', 'R25'];
const COLUMNS = ['fault', 'acknowledged', 'stored', 'dead letters', 'duplicates', 'lost', 'ledger balanced', 'done'];

/** Prints what the fault tests counted, when any ran. */
export default class FaultReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const results = tests.flatMap((test) => test.meta().faults ?? []);
    if (results.length === 0) return;
    const text = tableOf(results.toSorted((a, b) => numberOf(a.fault) - numberOf(b.fault)));
    process.once('exit', () => process.stdout.write(text));
  }
}

function tableOf(results: readonly FaultResult[]): string {
  const rows = results.map((result) => [
    ...[result.fault, String(result.acknowledged), String(result.stored), String(result.deadLetters)],
    ...[String(result.duplicates), String(result.lost), result.balanced ? 'yes' : 'NO', result.scope],
  ]);
  const widths = COLUMNS.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]!.length)));
  const lineOf = (cells: readonly string[]) => cells.map((cell, at) => cell.padEnd(widths[at]!)).join('  ');
  const counted = new Set(results.map(({ fault }) => fault));
  const missing = FAULTS.filter((fault) => !counted.has(fault));
  return [
    ...['', lineOf(COLUMNS), lineOf(widths.map((width) => '-'.repeat(width))), ...rows.map(lineOf)],
    ...(missing.length === 0 ? [] : [`not counted in this run: ${missing.join(', ')}`]),
    '',
  ].join('\n');
}

function numberOf(fault: string): number {
  return Number(fault.slice(1));
}
