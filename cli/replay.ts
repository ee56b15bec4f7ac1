import { parseArgs } from 'node:util';
import { createControlApi } from './control-api.ts';
import { findControlAccess } from './export/access.ts';
import { print } from './output.ts';
import { parseDuration } from './rollout/quantities.ts';
import type { Settings } from './settings.ts';
import { UsageError } from './usage-error.ts';

const HELP = `usage: ringside replay --group <group> --weights <model=weight,…> [options]

What other weights would have done to cost, errors, latency and busiest minutes. Reads the log; changes nothing and calls no model.

  --weights gpt-small=7000,gpt-large=3000   basis points; models that are not named keep theirs
  --since 24h                               24h, 7d, … before now, or a moment: 2030-01-01T00:00:00Z (default 24h)
  --until 2030-01-02T00:00:00Z              default now
  --latency-objective 10s                   what "over objective" is over
  --json                                    the API's answer as it is

Inferences that would have stayed count as they were; the others with the figures that their new variant had for requests of the same
kind. Intervals are of 95 %; a figure that did not vary has none.`;

interface Estimate {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

interface Figure {
  readonly before: number | null;
  readonly after: Estimate | null;
  readonly difference: Estimate | null;
}

interface Peak {
  readonly variant: string;
  readonly inferences: number;
  readonly tokens: number;
}

interface Replay {
  readonly group: string;
  readonly since: string;
  readonly until: string;
  readonly inferences: number;
  readonly moved: number;
  readonly figures: Readonly<
    Record<'costMicroUsd' | 'outputTokens' | 'errorRate' | 'latencyMs' | 'overObjectiveRate', Figure>
  >;
  readonly busiestMinute: { readonly before: readonly Peak[]; readonly after: readonly Peak[] };
  readonly warnings: readonly string[];
}

/** `ringside replay`: what proposed weights would have done, through the control API. */
export async function replayCommand(settings: Settings, args: readonly string[], nowMs: number): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) return print(HELP);
  const { group, query, json } = parseReplayOptions(args, nowMs);
  const api = createControlApi(await findControlAccess(settings));
  const replay = await api.get<Replay>(`/groups/${encodeURIComponent(group)}/replay`, query);
  print(json ? JSON.stringify(replay, null, 2) : replayLines(replay).join('\n'));
}

/** Reads the arguments. @throws UsageError that names the option */
export function parseReplayOptions(
  args: readonly string[],
  nowMs: number,
): { group: string; query: Record<string, string | undefined>; json: boolean } {
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        ...{ group: { type: 'string' }, weights: { type: 'string' }, until: { type: 'string' } },
        ...{
          since: { type: 'string', default: '24h' },
          'latency-objective': { type: 'string' },
          json: { type: 'boolean' },
        },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; see ringside replay --help`);
  }
  const { group, weights, since, until } = values as Record<string, string | undefined>;
  if (group === undefined) throw new UsageError('--group <group> is missing; see ringside replay --help');
  if (weights === undefined) throw new UsageError('--weights <model=weight,…> is missing; see ringside replay --help');
  const objective = values['latency-objective'] as string | undefined;
  const objectiveMs = objective === undefined ? undefined : parseDuration(objective);
  if (objective !== undefined && objectiveMs === undefined) {
    throw new UsageError(`--latency-objective is a time like 800ms or 2s, not "${objective}"`);
  }
  const agoMs = parseDuration(since!);
  return {
    group,
    query: {
      weights,
      since: agoMs === undefined ? since : new Date(nowMs - agoMs).toISOString(),
      until,
      latencyObjectiveMs: objectiveMs === undefined ? undefined : String(objectiveMs),
    },
    json: values['json'] === true,
  };
}

const ROWS: readonly (readonly [keyof Replay['figures'], string, (value: number) => string])[] = [
  ['costMicroUsd', 'cost', (value) => `$${(value / 1e6).toFixed(2)}`],
  ['outputTokens', 'output tokens', (value) => Math.round(value).toLocaleString('en')],
  ['errorRate', 'errors', (value) => `${(value * 100).toFixed(2)} %`],
  ['latencyMs', 'latency', (value) => `${Math.abs(value) < 100 ? value.toFixed(1) : value.toFixed(0)} ms`],
  ['overObjectiveRate', 'over objective', (value) => `${(value * 100).toFixed(2)} %`],
];

/** Of figures that did not vary: they have no variance to make an interval of, which is no certainty. */
function rangeOf({ value, lower, upper }: Estimate, show: (value: number) => string): string {
  const hasInterval = upper - lower > 1e-9 * Math.abs(value);
  return hasInterval ? `(${show(lower)} to ${show(upper)})` : '(no interval: it did not vary)';
}

function replayLines(replay: Replay): string[] {
  const { group, since, until, inferences, moved, figures, busiestMinute, warnings } = replay;
  const cell = (text: string) => text.padEnd(16);
  const wide = (text: string) => text.padEnd(28);
  return [
    `${group}, ${since} to ${until}: ${inferences} inferences, ${moved} of them would have moved`,
    '',
    ['', 'before', 'after', 'difference (95 %)'].map(cell).join('').trimEnd(),
    ...ROWS.map(([name, label, show]) => {
      const { before, after, difference } = figures[name];
      const change = difference === null ? 'not known' : `${show(difference.value)} ${rangeOf(difference, show)}`;
      return (
        cell(label) +
        cell(before === null ? '–' : show(before)) +
        cell(after === null ? '–' : show(after.value)) +
        change
      );
    }),
    '',
    `${cell('busiest minute')}${wide('before')}after`,
    ...variantsOf(busiestMinute).map((variant) => {
      const of = (peaks: readonly Peak[]) => {
        const peak = peaks.find((one) => one.variant === variant);
        return peak === undefined ? '–' : `${peak.inferences}, ${peak.tokens} tokens`;
      };
      return cell(variant) + wide(of(busiestMinute.before)) + of(busiestMinute.after);
    }),
    ...warnings.map((warning) => `\n${warning}`),
  ];
}

function variantsOf({ before, after }: Replay['busiestMinute']): string[] {
  return [...new Set([...before, ...after].map(({ variant }) => variant))].sort();
}
