import { parseArgs } from 'node:util';

export interface LogBenchOptions {
  readonly rows: number;
  readonly groups: number;
  readonly days: number;
  /** How many of 100 inferences have captured bodies. */
  readonly bodiesPercent: number;
  readonly runs: number;
  /** Keeps the database for another run; made anew when it is missing. */
  readonly folder: string | null;
  /** Writes no section into RESULTS.md. */
  readonly dry: boolean;
  /** Prints the plans of the main queries. */
  readonly explain: boolean;
}

export const LOG_BENCH_HELP = `npm run bench:log -- [options]

Fills the log of one organization and measures what each filter of GET /inferences takes, as the application's role.

  --rows 1000000   --groups 200   --days 30
  --bodies 5       percent of the inferences with captured bodies
  --runs 40        measurements of each query
  --folder <path>  keeps the database there, and uses it again
  --explain        prints the plans of the main queries
  --dry            writes nothing into RESULTS.md`;

/** @returns null when help is wanted */
export function parseLogBenchOptions(args: readonly string[]): LogBenchOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      groups: { type: 'string', default: '200' },
      days: { type: 'string', default: '30' },
      bodies: { type: 'string', default: '5' },
      runs: { type: 'string', default: '40' },
      folder: { type: 'string' },
      dry: { type: 'boolean', default: false },
      explain: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const count = (name: 'rows' | 'groups' | 'days' | 'bodies' | 'runs') => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`--${name}: "${values[name]}" is no whole number above 0`);
    return value;
  };
  return {
    ...{ rows: count('rows'), groups: count('groups'), days: count('days'), bodiesPercent: count('bodies') },
    ...{ runs: count('runs'), folder: values.folder ?? null, dry: values.dry, explain: values.explain },
  };
}
