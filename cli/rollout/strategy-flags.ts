import { UsageError } from '../usage-error.ts';
import { parseDuration, parseWeight } from './quantities.ts';

/** Options of `rollout create` that shape the strategy, by the strategy that they belong to. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  direct: ['hold'],
  canary: ['steps'],
  'blue-green': ['return'],
  rolling: ['from', 'to', 'increment', 'over'],
  ab: ['weight'],
};

export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** The strategy that the flags describe, as the API takes it. @throws UsageError */
export function parseStrategy(flags: Flags): object {
  const kind = flags['strategy'] ?? (flags['steps'] === undefined ? undefined : 'canary');
  if (typeof kind !== 'string' || OWN[kind] === undefined) {
    throw new UsageError(`--strategy is one of ${Object.keys(OWN).join(', ')}`);
  }
  for (const [other, names] of Object.entries(OWN)) {
    const stray = names.find((name) => flags[name] !== undefined && other !== kind);
    if (stray !== undefined) throw new UsageError(`--${stray} belongs to the strategy ${other}, not to ${kind}`);
  }
  const duration = (name: string, field: string) => optional(field, durationFlag(flags, name));
  const weight = (name: string, field: string) => optional(field, weightFlag(flags, name));
  switch (kind) {
    case 'canary':
      if (typeof flags['steps'] !== 'string') throw new UsageError('--steps is missing, like 5%:10m,25%:30m,50%:1h');
      return { kind, steps: flags['steps'].split(',').map(parseStep) };
    case 'direct':
      return { kind, ...duration('hold', 'holdMs') };
    case 'blue-green':
      return { kind, ...duration('return', 'returnMs') };
    case 'rolling':
      return {
        ...{ kind, ...weight('from', 'fromBp'), ...weight('to', 'toBp') },
        ...{ ...weight('increment', 'incrementBp'), ...duration('over', 'durationMs') },
      };
    default:
      return { kind, ...weight('weight', 'weightBp') };
  }
}

/** `25%:30m:1000u:approval`: a weight, and what must be there before the step is over. */
function parseStep(text: string): object {
  const [amount = '', ...needs] = text.trim().split(':');
  const weightBp = parseWeight(amount);
  if (weightBp === undefined) throw new UsageError(`--steps: "${text}" does not begin with a weight like 5% or 500bp`);
  const step: Record<string, unknown> = { weightBp };
  for (const need of needs) {
    const durationMs = parseDuration(need);
    const units = /^(\d+)u$/.exec(need)?.[1];
    if (need === 'approval') step['approval'] = true;
    else if (units !== undefined) step['minUnits'] = Number(units);
    else if (durationMs !== undefined) step['durationMs'] = durationMs;
    else throw new UsageError(`--steps: "${need}" is no duration (10m), no number of units (1000u) and not "approval"`);
  }
  return step;
}

/** The value of a flag in milliseconds. @throws UsageError */
export function durationFlag(flags: Flags, name: string): number | undefined {
  const text = flags[name];
  if (typeof text !== 'string') return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`--${name}: "${text}" is no duration; write 90s, 10m, 1h30m or 2d`);
  return ms;
}

/** The value of a flag in basis points. @throws UsageError */
export function weightFlag(flags: Flags, name: string): number | undefined {
  const text = flags[name];
  if (typeof text !== 'string') return undefined;
  const weightBp = parseWeight(text);
  if (weightBp === undefined) throw new UsageError(`--${name}: "${text}" is no weight; write 5% or 500bp`);
  return weightBp;
}

/** A field that is there only where it has a value. */
export function optional(field: string, value: unknown): object {
  return value === undefined ? {} : { [field]: value };
}
