import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { ArmSums } from '#core/experiments/look.ts';
import { measure } from '#core/experiments/metric-result.ts';
import { rateDifference, sumsOfTrials } from '#core/experiments/rate-difference.ts';
import { MIN_UNITS_PER_ARM, meanDifference } from '#core/statistics/mean-difference.ts';
import { sumsOfValues } from '#core/statistics/ratio.ts';
import { InputError, parseInput, readJson, throwRefused } from './input.ts';

export const ANALYZE_HELP = `usage: ringside experiment analyze --json '<object>' | --json @file | --json -

Compares two arms by the functions that decide experiments, and prints JSON. Sums are of all units; no database is read.

  {"kind": "mean",  "champion": {"n": 3000, "sum": 1396.87, "sumSquares": 52377.9767}, "challenger": {…}}
  {"kind": "ratio", "champion": {"units": 900, "n": Σn, "sum": ΣS, "nSquares": Σn², "sumSquares": ΣS², "products": ΣSn},
                    "challenger": {…}}
  {"kind": "rate",  "champion": {"n": 3000, "events": 12}, "challenger": {…}}

ratio: S is a unit's sum, n how many values it is of; the mean is ΣS/Σn. rate: independent trials; below 100 trials, 10 events or
10 non-events in an arm the form for small counts is used. Beside the arms, all optional:

  "alpha": 0.05        level; divide it by the number of challengers
  "plannedN": 5000     units of both arms at which the interval is tightest; fixed before the first look
  "relative": false    effects as shares of the champion's mean
  "sided": "two"       or "one": each bound holds alone, and the p-value is of "the challenger is not greater"

Prints effect, standardError, lower, upper, pValue, alpha, n (units of both arms) and method: confidence_sequence, small_counts (with
events, of both arms), or none: nothing may be concluded from such numbers. Where a number is null, why says so. "look" is
what an experiment's look makes of the same sums, as its first phase: two-sided, more careful where a champion's mean may be near 0
(relative, by Fieller's bounds), and of a rate with α divided between the two forms, since their counts grow from one into the other
(0.3 and 0.7 of it); it is what decides. Ends with 2 when the input is wrong.`;

const options = {
  alpha: z.number().default(0.05),
  plannedN: z.number().default(5000),
  relative: z.boolean().default(false),
  sided: z.enum(['two', 'one']).default('two'),
};

function armsOf<Arm extends z.ZodType>(arm: Arm) {
  return { champion: arm, challenger: arm };
}

const inputSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('mean'),
    ...armsOf(z.strictObject({ n: z.int().min(0), sum: z.number(), sumSquares: z.number() })),
    ...options,
  }),
  z.strictObject({
    kind: z.literal('ratio'),
    ...armsOf(
      z.strictObject({
        units: z.int().min(0),
        n: z.number(),
        nSquares: z.number(),
        sum: z.number(),
        sumSquares: z.number(),
        products: z.number(),
      }),
    ),
    ...options,
  }),
  z.strictObject({
    kind: z.literal('rate'),
    ...armsOf(z.strictObject({ n: z.int().min(0), events: z.int().min(0) })),
    ...options,
  }),
]);

type Input = z.output<typeof inputSchema>;

/** `ringside experiment analyze`: what is printed. @throws InputError */
export async function analyze(args: readonly string[]): Promise<object> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: 'string' } } });
  if (values.json === undefined) throw new InputError('--json is missing; see ringside experiment analyze --help');
  const input = parseInput(inputSchema, await readJson('--json', values.json));
  return { ...analyzeInput(input), look: lookOf(input) };
}

/** The same sums through the function that looks are made by. */
function lookOf(input: Input): object {
  const [champion, challenger] = sumsOf(input);
  const { method, why, effect, standardError, lower, upper, pValue } = measure(
    { metric: 'sums', kind: input.kind === 'rate' ? 'rate' : 'mean', direction: 'increase', relative: input.relative },
    [{ phase: 1, arms: [champion, challenger] }],
    { arm: 1, alpha: input.alpha, plannedUnits: input.plannedN, minUnits: MIN_UNITS_PER_ARM },
  );
  return { method, ...(why === null ? {} : { why }), effect, standardError, lower, upper, pValue };
}

function sumsOf(input: Input): readonly [champion: ArmSums, challenger: ArmSums] {
  switch (input.kind) {
    case 'mean':
      return [sumsOfValues(input.champion), sumsOfValues(input.challenger)];
    case 'ratio':
      return [input.champion, input.challenger];
    case 'rate':
      return [sumsOfTrials(input.champion), sumsOfTrials(input.challenger)];
    default:
      return input satisfies never;
  }
}

function analyzeInput(input: Input): object {
  const result = compare(input);
  switch (result.kind) {
    case 'refused':
      return throwRefused(result);
    case 'insufficient': {
      const unknown = { effect: null, standardError: null, lower: null, upper: null, pValue: null };
      return { method: 'none', why: result.why, detail: result.detail, ...unknown, alpha: input.alpha, n: result.n };
    }
    case 'estimate': {
      const { kind: _, ...numbers } = result;
      return { method: 'confidence_sequence', ...numbers };
    }
    case 'small_counts': {
      const { kind: _, why, effect, ...numbers } = result;
      return { method: 'small_counts', ...(why === null ? {} : { why }), effect, standardError: null, ...numbers };
    }
    default:
      return result satisfies never;
  }
}

function compare(input: Input) {
  switch (input.kind) {
    case 'mean':
    case 'ratio': {
      const [champion, challenger] = sumsOf(input);
      return meanDifference({ ...input, champion, challenger });
    }
    case 'rate':
      return rateDifference(input);
    default:
      return input satisfies never;
  }
}
