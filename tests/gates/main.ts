import { parseArgs } from 'node:util';
import { type Finding, type Gate, type GateOptions, passes } from './gate.ts';
import { GATES } from './gates.ts';

/**
 * `npm run gates`: decisions of the real code on simulated traffic. Prints what each gate found; exits with 1 when one does not hold.
 * Everything is drawn from the seed, so that a run can be repeated to the digit.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    looks: { type: 'string', default: '50' },
    seed: { type: 'string', default: 'ringside' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

const options: GateOptions = { runs: wholeNumber('runs'), looks: wholeNumber('looks'), seed: values.seed };
const gates = chosen(values.only);
const findings: Finding[] = [];
for (const gate of gates) {
  const started = process.cpuUsage();
  const found = gate.run(options);
  findings.push(...found);
  if (!values.json) process.stdout.write(section(gate, found, process.cpuUsage(started).user / 1_000_000));
}
const failed = findings.filter((finding) => !passes(finding));
if (values.json) process.stdout.write(`${JSON.stringify({ ...options, failed: failed.length, findings }, null, 2)}\n`);
else
  process.stdout.write(
    `\n${failed.length === 0 ? 'All gates hold.' : `${failed.length} figures are out of bounds.`}\n`,
  );
process.exitCode = failed.length === 0 ? 0 : 1;

function wholeNumber(name: 'runs' | 'looks'): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1)
    throw new RangeError(`--${name}: "${values[name]}" is no whole number above 0`);
  return number;
}

function chosen(only: string): readonly Gate[] {
  if (only === '') return GATES;
  const names = only.split(',');
  const unknown = names.filter((name) => !GATES.some((gate) => gate.name === name));
  if (unknown.length > 0) {
    throw new RangeError(
      `--only: no gate "${unknown.join(', ')}"; there are ${GATES.map(({ name }) => name).join(', ')}`,
    );
  }
  return GATES.filter(({ name }) => names.includes(name));
}

function section({ name, about }: Gate, found: readonly Finding[], seconds: number): string {
  const width = Math.max(...found.map(({ figure }) => figure.length));
  const lines = found.map(
    (finding) => `  ${finding.figure.padEnd(width)}  ${shown(finding).padStart(14)}  ${bound(finding)}`,
  );
  return `\n${name}: ${about} (${seconds.toFixed(1)} s of processor time)\n${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function shown({ value, unit }: Finding): string {
  if (!Number.isFinite(value)) return 'not reached';
  if (unit === 'share') return `${(value * 100).toFixed(2)} %`;
  return unit === 'times' ? `${value.toFixed(2)} ×` : `${Math.round(value)} ${unit === 'seconds' ? 's' : unit}`;
}

function bound(finding: Finding): string {
  const { atMost, atLeast, unit } = finding;
  if (atMost === null && atLeast === null) return '';
  const wanted = [
    ...(atMost === null ? [] : [`at most ${shown({ ...finding, value: atMost, unit })}`]),
    ...(atLeast === null ? [] : [`at least ${shown({ ...finding, value: atLeast, unit })}`]),
  ];
  return `${passes(finding) ? 'holds' : 'FAILS'}: ${wanted.join(', ')}`;
}
