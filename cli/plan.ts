import { parseArgs } from 'node:util';
import { BUILTIN_METRICS, isBuiltin } from '#core/experiments/metrics.ts';
import { createControlApi } from './control-api.ts';
import { findControlAccess } from './export/access.ts';
import { print } from './output.ts';
import { parseAmount } from './rollout/metric-flags.ts';
import { parseDuration, parseShare, parseWeight } from './rollout/quantities.ts';
import type { Settings } from './settings.ts';
import { UsageError } from './usage-error.ts';

const HELP = `usage: ringside plan --group <group> [options]

How long an experiment takes, what it can find, or which weight it needs: from the group's own traffic of the days before. Leave out
what is to be computed: --effect, else --duration, else --weight. Nothing is changed.

  --metric latency          a built-in metric, or one that feedback reports (default error_rate)
  --effect 5%               the smallest difference to find, relative to the champion's mean
  --absolute                … or in the metric's own unit: --effect 1% of a rate, 50ms of a latency, 12 of tokens
  --duration 14d            how long it may take (default 14d)
  --weight 10%              the challenger's weight, each one's (default: as much as the champion, 50% beside one)
  --challengers 2           how many there are (default 1)
  --comparison equal|rest   with a slice of the champion as large, as in a ramp; or with all of the champion
  --alpha 0.05  --power 0.8  --history 7d
  --json                    the API's answer as it is`;

interface PerTest {
  readonly fixed: number | null;
  readonly sequence: number | null;
  readonly sequenceTypical: number | null;
}

interface Plan {
  readonly group: string;
  readonly metric: string;
  readonly relative: boolean;
  readonly traffic: { readonly inferences: number; readonly units: number; readonly unitsPerDay: number };
  readonly champion: { readonly model: string; readonly mean: number | null };
  readonly asked: 'effect' | 'days' | 'weightBp';
  readonly effect: PerTest;
  readonly days: PerTest;
  readonly weightBp: PerTest;
  readonly plannedUnits: number | null;
  readonly curve: readonly { readonly days: number; readonly effect: PerTest }[];
  readonly warnings: readonly string[];
}

/** `ringside plan`: plans an experiment, through the control API. */
export async function planCommand(settings: Settings, args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) return print(HELP);
  const { group, query, json } = parsePlanOptions(args);
  const api = createControlApi(await findControlAccess(settings));
  const plan = await api.get<Plan>(`/groups/${encodeURIComponent(group)}/planner`, query);
  print(json ? JSON.stringify(plan, null, 2) : planLines(plan).join('\n'));
}

const DAY_MS = 86_400_000;

/** Reads the arguments. @throws UsageError that names the option */
export function parsePlanOptions(args: readonly string[]): {
  group: string;
  query: Record<string, string | undefined>;
  json: boolean;
} {
  const text = { type: 'string' } as const;
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        ...{
          group: text,
          metric: text,
          effect: text,
          duration: text,
          weight: text,
          challengers: text,
          comparison: text,
        },
        ...{ alpha: text, power: text, history: text, absolute: { type: 'boolean' }, json: { type: 'boolean' } },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; see ringside plan --help`);
  }
  const { group, metric, challengers, comparison, alpha, power } = values as Record<string, string | undefined>;
  if (group === undefined) throw new UsageError('--group <group> is missing; see ringside plan --help');
  const absolute = values['absolute'] === true;
  const read = (name: string, parse: (text: string) => number | undefined, example: string) => {
    const given = values[name];
    if (typeof given !== 'string') return undefined;
    const value = parse(given);
    if (value === undefined) throw new UsageError(`--${name} is like ${example}, not "${given}"`);
    return String(value);
  };
  const days = (given: string) => {
    const ms = parseDuration(given);
    return ms === undefined ? undefined : ms / DAY_MS;
  };
  return {
    group,
    query: {
      ...{ metric, challengers, comparison, alpha, power },
      effect: read('effect', absolute ? parseAmount : parseShare, absolute ? '1%, 0.01 or 50ms' : '5% or 0.05'),
      days: read('duration', days, '14d'),
      weightBp: read('weight', parseWeight, '10% or 1000bp'),
      historyDays: read('history', days, '7d'),
      relative: String(!absolute),
    },
    json: values['json'] === true,
  };
}

/** In the metric's own unit. */
function meanText(metric: string, mean: number | null): string {
  if (mean === null) return 'not known';
  const unit = isBuiltin(metric) ? BUILTIN_METRICS[metric].unit : undefined;
  switch (unit) {
    case 'us':
      return `${Number((mean / 1_000).toPrecision(4))} ms`;
    case 'share':
      return `${Number((mean * 100).toPrecision(4))} %`;
    case 'microUsd':
      return `$${Number((mean / 1e6).toPrecision(4))}`;
    case 'tokens':
    case undefined:
      return String(Number(mean.toPrecision(4)));
    default:
      return unit satisfies never;
  }
}

const LABELS = { effect: 'effect', days: 'duration', weightBp: 'weight' } as const;

function planLines(plan: Plan): string[] {
  const { group, metric, relative, traffic, champion, asked, plannedUnits, curve, warnings } = plan;
  const effect = (value: number) => (relative ? `${(value * 100).toPrecision(3)} %` : meanText(metric, value));
  const show = {
    effect,
    days: (value: number) => `${value.toPrecision(3)} days`,
    weightBp: (value: number) => `${value / 100} %`,
  };
  const of = (name: keyof typeof show, { fixed, sequence, sequenceTypical }: PerTest) => {
    const text = (value: number | null) => (value === null ? 'out of reach' : show[name](value));
    return { fixed: text(fixed), sequence: text(sequence), typical: text(sequenceTypical) };
  };
  const given = (['effect', 'days', 'weightBp'] as const)
    .filter((name) => name !== asked && plan[name].fixed !== null)
    .map((name) => `${LABELS[name]} ${show[name](plan[name].fixed!)}`);
  const answer = of(asked, plan[asked]);
  const known = `${group}: ${traffic.units} units, ${Math.round(traffic.unitsPerDay)} a day; ${metric} of ${champion.model}: ${meanText(metric, champion.mean)}`;
  // Nothing can be computed, and the warnings say why.
  if (given.length === 0) return [known, '', ...warnings];
  return [
    known,
    `${LABELS[asked]} for ${given.join(', ')}:`,
    `  looking all the time, decided with the power asked for   ${answer.sequence}`,
    `  looking all the time, half of such experiments           ${answer.typical}`,
    `  one look at the end                                      ${answer.fixed}`,
    ...(plannedUnits === null
      ? []
      : ['', `The first of them holds for a rollout that is created with --planned-units ${plannedUnits}.`]),
    ...(curve.length === 0 ? [] : ['', 'days   smallest effect (looking all the time)']),
    ...curve.map(({ days, effect: found }) => `${String(days).padEnd(7)}${of('effect', found).sequence}`),
    ...warnings.map((warning) => `\n${warning}`),
  ];
}
