import { parseArgs } from 'node:util';
import { UsageError } from '../usage-error.ts';

/** What `ringside export` is asked for. */
export interface ExportOptions {
  /** Parameters of `GET /inferences:export`. */
  readonly query: Readonly<Record<string, string>>;
  readonly out: string;
  readonly resume: boolean;
  /** Print a summary as JSON. */
  readonly json: boolean;
}

/** Filters that the API has, as options: `--latency-from-ms 500` is `latencyFromMs=500`. */
const FILTERS = [
  ...[
    'group',
    'variant',
    'served-variant',
    'role',
    'key',
    'unit',
    'status',
    'outcome',
    'error-code',
    'model',
    'operation',
    'dialect',
  ],
  ...['finish-reason', 'streamed', 'latency-from-ms', 'latency-to-ms', 'first-token-from-ms', 'first-token-to-ms'],
  ...['input-tokens-from', 'input-tokens-to', 'output-tokens-from', 'output-tokens-to', 'cost-from-micro-usd'],
  ...['cost-to-micro-usd', 'trace-id', 'metadata', 'q', 'since', 'until'],
] as const;

const FORMATS = ['jsonl', 'csv', 'openai-chat'];

export const EXPORT_HELP = `usage: ringside export --out <file> [options]

Writes inferences from the log into a file, newest first, through the control API. The file appears when it is whole; what
was fetched until then is in <file>.part, and --resume goes on there.

  --format jsonl|csv|openai-chat   default jsonl; openai-chat is OpenAI's fine-tuning format
  --group g1,g2   --since 2030-01-01T00:00:00Z   --until …
  --resume                         goes on with an export that was cut
  --json                           prints a summary as JSON
  --metadata '{"tenant":"acme"}'   and the other filters of the API: ${FILTERS.filter((name) => !['group', 'since', 'until', 'metadata'].includes(name)).join(', ')}

The token is RINGSIDE_ADMIN_TOKEN and the address RINGSIDE_CONTROL_URL, or both are those of credentials.json in RINGSIDE_DATA_DIR.`;

/** Reads the arguments; null when help is wanted. @throws UsageError */
export function parseExportOptions(args: readonly string[]): ExportOptions | null {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' as const }]));
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        ...filters,
        format: { type: 'string', default: 'jsonl' },
        out: { type: 'string' },
        resume: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (values['help'] === true) return null;
  const { out, format } = values;
  if (typeof out !== 'string' || out === '') throw wrong('--out <file> is missing');
  if (typeof format !== 'string' || !FORMATS.includes(format)) {
    throw wrong(`--format is one of ${FORMATS.join(', ')}`);
  }
  const query: Record<string, string> = { format };
  for (const name of FILTERS) {
    const value = values[name];
    if (typeof value === 'string') query[camelCase(name)] = value;
  }
  return { query, out, resume: values['resume'] === true, json: values['json'] === true };
}

function wrong(problem: string): UsageError {
  return new UsageError(`${problem}; see ringside export --help`);
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
