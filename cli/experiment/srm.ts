import { parseArgs } from 'node:util';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { UsageError } from '../usage-error.ts';
import { onlyOne, throwRefused } from './input.ts';

export const SRM_HELP = `usage: ringside experiment srm --counts a,b,… [--counts …] --weights a,b,… [--sequential]

Whether units were split as the weights say (sample-ratio mismatch), as JSON. Counts are distinct units, by arm.

  --counts a,b,…    once, or once for each look: what came since the look before
  --weights a,b,…   by arm, in any unit
  --sequential      the test that holds at every look

  ringside experiment srm --counts 500,600 --weights 5000,5000
  ringside experiment srm --counts 250,300 --counts 250,300 --weights 5000,5000 --sequential

Prints, without --sequential, χ² of all counts, which holds for a single look:
  method "chi_square", statistic, degreesOfFreedom, pValue, n (units of all arms)
With it, the Dirichlet-multinomial test that decides experiments (at pValue ≤ 0.001 of any look):
  method "dirichlet_multinomial", eValue (at most 1.8e308), logEValue (natural), pValue = min(1, 1/eValue), minPValue (the smallest of
  the looks), n, looks

Ends with 2 when the input is wrong, with one line on the standard error.`;

/** `ringside experiment srm`: what is printed. @throws UsageError */
export async function srm(args: readonly string[]): Promise<object> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      counts: { type: 'string', multiple: true },
      weights: { type: 'string', multiple: true },
      sequential: { type: 'boolean', default: false },
    },
  });
  if (values.counts === undefined) throw new UsageError('--counts is missing; see ringside experiment srm --help');
  const given = onlyOne('--weights', values.weights);
  if (given === undefined) throw new UsageError('--weights is missing; see ringside experiment srm --help');
  const looks = values.counts.map((list) => numbersOf('--counts', list));
  const weights = numbersOf('--weights', given);
  return values.sequential ? sequential(looks, weights) : fixed(looks, weights);
}

function sequential(looks: readonly (readonly number[])[], weights: readonly number[]): object {
  const result = srmSequential(looks, weights);
  if (result.kind === 'refused') return throwRefused(result);
  const { kind: _, ...numbers } = result;
  return { method: 'dirichlet_multinomial', ...numbers, looks: looks.length };
}

function fixed(looks: readonly (readonly number[])[], weights: readonly number[]): object {
  const odd = looks.find((look) => look.length !== weights.length);
  const totals = odd ?? weights.map((_, arm) => looks.reduce((sum, look) => sum + look[arm]!, 0));
  const result = chiSquareSplit(totals, weights);
  if (result.kind === 'refused') return throwRefused(result);
  const { kind: _, ...numbers } = result;
  return { method: 'chi_square', ...numbers, n: totals.reduce((sum, count) => sum + count, 0) };
}

/** As JSON writes numbers, and with spaces around them. */
const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

function numbersOf(option: string, list: string): number[] {
  return list.split(',').map((word, at) => {
    const value = NUMBER.test(word) ? Number(word) : Number.NaN;
    if (Number.isFinite(value)) return value;
    const looks = option === '--counts' ? ', and --counts again for each further look' : '';
    throw new UsageError(
      `${option}[${at}] is ${JSON.stringify(word)}; it takes numbers with commas between them${looks}`,
    );
  });
}
