import { parseArgs } from 'node:util';
import { measurePair, type PairResult } from './pair.ts';
import { bodyPairs } from './pairs/bodies.ts';
import { clickhousePairs } from './pairs/clickhouse.ts';
import { identityPairs } from './pairs/identity.ts';
import { logPairs } from './pairs/log.ts';
import { redactionPairs } from './pairs/redaction.ts';
import { snapshotPairs } from './pairs/snapshot.ts';

/**
 * Costs of the hot path's own pieces beside the naive way, in one process: medians over rounds that alternate between the
 * two, so that drift hits both: `npm run bench:micro`.
 */
const HELP = `npm run bench:micro -- [--rounds 9] [--round-ms 60] [--only text] [--json]

Nanoseconds of CPU time per operation: ours, the naive way, and how many times ours fits into it; per kilobyte where bytes matter.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    'round-ms': { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const print = (text: string) => void process.stdout.write(`${text}\n`);

if (values.help) print(HELP);
else measureAll();

function measureAll(): void {
  const rounds = { rounds: Number(values.rounds), roundMs: Number(values['round-ms']) };
  const pairs = [
    ...bodyPairs(),
    ...identityPairs(),
    ...logPairs(),
    ...redactionPairs(),
    ...snapshotPairs(),
    ...clickhousePairs(),
  ];
  const wanted = pairs.filter(({ name, naiveName }) => `${name} ${naiveName}`.includes(values.only));
  if (!values.json) print(`node ${process.version}, CPU time, medians of ${rounds.rounds} alternating rounds`);
  const results: PairResult[] = [];
  for (const pair of wanted) {
    const result = measurePair(pair, rounds);
    results.push(result);
    if (!values.json) print(lineOf(result));
  }
  if (values.json) print(JSON.stringify({ node: process.version, ...rounds, results }, null, 2));
}

function lineOf({ name, naiveName, oursNs, naiveNs, ratio, perByte }: PairResult): string {
  const perKb =
    perByte === null
      ? ''
      : `   ${perByte.oursNsPerKb.toFixed(0)} against ${perByte.naiveNsPerKb.toFixed(0)} ns/KB (${perByte.oursMbPerS.toFixed(0)} against ${perByte.naiveMbPerS.toFixed(0)} MB/s)`;
  return `${name.padEnd(40)} ${nanoseconds(oursNs)}   ${naiveName.padEnd(20)} ${nanoseconds(naiveNs)}   ${ratio.toFixed(1).padStart(6)} ×${perKb}`;
}

function nanoseconds(ns: number): string {
  return `${ns.toFixed(0).padStart(10)} ns`;
}
