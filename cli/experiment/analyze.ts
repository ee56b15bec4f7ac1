import { parseArgs } from 'node:util';
import { z } from 'zod';
import { meanDifference } from '#core/statistics/mean-difference.ts';
import { rateDifference } from '#core/statistics/rate-difference.ts';
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
eValue), or none (with why: nothing may be concluded from such numbers). Ends with 2 when the input is wrong.`;

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
  return analyzeInput(parseInput(inputSchema, await readJson('--json', values.json)));
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
      const { kind: _, effect, ...numbers } = result;
      return { method: 'small_counts', effect, standardError: null, ...numbers };
    }
    default:
      return result satisfies never;
  }
}

function compare(input: Input) {
  switch (input.kind) {
    case 'mean':
      return meanDifference({
        ...input,
        champion: sumsOfValues(input.champion),
        challenger: sumsOfValues(input.challenger),
      });
    case 'ratio':
      return meanDifference(input);
    case 'rate':
      return rateDifference(input);
    default:
      return input satisfies never;
  }
}
