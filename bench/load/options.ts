import { parseArgs } from 'node:util';
import { FAMILIES } from './families.ts';

export interface Options {
  /** Ids of families and `curve`, in capitals as in the table; null: all. */
  readonly only: readonly string[] | null;
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly string[];
  readonly quick: boolean;
  /** Print the JSON itself too. */
  readonly json: boolean;
  readonly help: boolean;
}

export class OptionsError extends Error {
  override name = 'OptionsError';
}

export const CURVE = 'CURVE';
const ALL_PEERS = 'nginx,portkey,litellm,bifrost';
const QUICK_PEERS = 'nginx,portkey';

export const HELP = `npm run bench -- [options]

Measures Ringside beside its peers on this machine, in alternating rounds, and puts a table into bench/RESULTS.md.
Needs Linux with two cores, taskset, nginx and wrk (apt-get install nginx-light wrk).

  --only P1,P4      only these rows, or "curve": rate against latency
  --rounds 5        rounds that count; one before them warms up
  --seconds 2       length of one measurement
  --peers ${ALL_PEERS}
                    a peer that is missing or does not start is noted
  --quick           one round of one second, beside ${QUICK_PEERS}: for orientation
  --json            prints the figures as JSON, too
  --help

${FAMILIES.map(({ family }) => `  ${family.id.padEnd(5)} ${family.title}`).join('\n')}
  curve rate against latency, as a picture`;

/** @throws OptionsError for what makes no sense */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      peers: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { quick, json, help } = values;
  const known = [...FAMILIES.map(({ family }) => family.id), CURVE];
  const only = values.only === undefined ? null : list(values.only.toUpperCase());
  const strange = only?.find((id) => !known.includes(id));
  if (strange !== undefined)
    throw new OptionsError(`--only: there is no row "${strange}"; there are ${known.join(', ')}`);
  return {
    ...{ only, quick, json, help },
    rounds: count('rounds', values.rounds ?? (quick ? '1' : '5')),
    seconds: count('seconds', values.seconds ?? (quick ? '1' : '2')),
    peers: list(values.peers ?? (quick ? QUICK_PEERS : ALL_PEERS)),
  };
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function count(name: string, text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new OptionsError(`--${name}: "${text}" is not a whole number above 0`);
  return Number(text);
}
