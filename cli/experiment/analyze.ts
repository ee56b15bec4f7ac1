import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { ArmSums } from '#core/experiments/look.ts';
import { measure } from '#core/experiments/metric-result.ts';
import { rateDifference, sumsOfTrials } from '#core/experiments/rate-difference.ts';
import { MIN_UNITS_PER_ARM, meanDifference } from '#core/statistics/mean-difference.ts';
import { sumsOfValues } from '#core/statistics/ratio.ts';
import { UsageError } from '../usage-error.ts';
import { onlyOne, parseInput, readJson, throwRefused } from './input.ts';

export const ANALYZE_HELP = `usage: ringside experiment analyze --json '<object>' | --json @file | --json -

Compares two arms by the functions that decide experiments, and prints JSON. Sums are of all units; no database is read.

  ringside experiment analyze --json '{"kind": "mean", "alpha": 0.05, "plannedN": 1000, "relative": true,
    "champion": {"n": 3000, "sum": 1396.87, "sumSquares": 52377.9767},
    "challenger": {"n": 3461, "sum": 2422.7, "sumSquares": 134698.29}}'

  ringside experiment analyze --json '{"kind": "ratio",
    "champion": {"units": 900, "n": 2700, "sum": 540, "nSquares": 9900, "sumSquares": 690, "products": 1980},
    "challenger": {"units": 880, "n": 2640, "sum": 610, "nSquares": 9700, "sumSquares": 760, "products": 2230}}'

  ringside experiment analyze --json '{"kind": "rate", "champion": {"n": 3000, "events": 3}, "challenger": {"n": 3000, "events": 16}}'

mean    of n units with one value each: Σ and Σ² of the values
ratio   of units with several values each: a unit has n values and S is their sum; n is Σn, sum ΣS, nSquares Σn², sumSquares ΣS²,
        products ΣSn. The mean is ΣS/Σn
rate    of n independent trials; below 100 trials, 10 events or 10 non-events in an arm the form for small counts is used

Beside the arms, all optional:

  "alpha": 0.05        level; divide it by the number of challengers
  "plannedN": 5000     units of both arms at which the interval is tightest; fixed before the first look
  "relative": false    effects as shares of the size of the champion's mean: (B − A)/|A|
  "sided": "two"       or "one": each bound holds alone, and the p-value is of "the challenger is not greater"

Prints
  method          confidence_sequence, small_counts, or none: nothing may be concluded from such numbers
  effect          the challenger's mean less the champion's
  standardError   of the effect; null at small counts, which have none
  lower, upper    hold at every look; null: not bounded on that side
  pValue          holds at every look
  alpha, n        n: units of both arms
  events          at small counts: of both arms
  why, detail     where a number is null: nothing_measured, too_few_units, no_variance, champion_mean_zero or out_of_range, or a sentence
  look            what an experiment's look makes of the same sums, as its first phase; it is what decides. Two-sided, and more careful
                  where a champion's mean may be near 0 (relative, by Fieller's bounds), where one arm is much smaller, and of a rate, whose
                  alpha is divided between the two forms (0.3 and 0.7 of it), since its counts grow from one into the other
Numbers that there are none of are null. Ends with 2 when the input is wrong, with one line on the standard error.`;

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

/** `ringside experiment analyze`: what is printed. @throws UsageError */
export async function analyze(args: readonly string[]): Promise<object> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: 'string', multiple: true } } });
  const given = onlyOne('--json', values.json);
  if (given === undefined) throw new UsageError('--json is missing; see ringside experiment analyze --help');
  const json = await readJson('--json', given);
  const input = parseInput(inputSchema, json, (path) => fieldsAt(json, path));
  return { ...analyzeInput(input), look: lookOf(input) };
}

/** @param input with a kind that is known */
function fieldsAt(input: unknown, path: readonly PropertyKey[]): readonly string[] {
  const shape = inputSchema.options.find((one) => one.shape.kind.value === (input as { kind?: unknown }).kind)?.shape;
  return Object.keys(path.length === 0 ? (shape ?? {}) : (shape?.champion.shape ?? {}));
}

/** The same sums through the function that looks are made by. */
function lookOf(input: Input): object {
  const [champion, challenger] = sumsOf(input);
  const { method, why, effect, standardError, lower, upper, pValue } = measure(
    {
      ...{ metric: 'sums', kind: input.kind === 'rate' ? 'rate' : 'mean', unit: null, direction: 'increase' },
      relative: input.relative,
    },
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
