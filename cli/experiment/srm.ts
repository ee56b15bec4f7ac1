import { parseArgs } from 'node:util';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { InputError, throwRefused } from './input.ts';

export const SRM_HELP = `usage: ringside experiment srm --counts 500,600 --weights 5000,5000 [--sequential]

Whether units were split as the weights say (sample-ratio mismatch), as JSON. Counts are distinct units, by arm.

  --counts a,b,…    once, or once for each look: what came since the look before
  --weights a,b,…   by arm, in any unit
  --sequential      the test that holds at every look: eValue, and pValue = min(1, 1/eValue); minPValue is the smallest of the looks

Without --sequential: χ² of all counts, which holds for a single look: statistic, degreesOfFreedom, pValue.
Ends with 2 when the input is wrong.`;

/** `ringside experiment srm`: what is printed. @throws InputError */
export async function srm(args: readonly string[]): Promise<object> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      counts: { type: 'string', multiple: true },
      weights: { type: 'string' },
      sequential: { type: 'boolean', default: false },
    },
  });
  if (values.counts === undefined) throw new InputError('--counts is missing; see ringside experiment srm --help');
  if (values.weights === undefined) throw new InputError('--weights is missing; see ringside experiment srm --help');
  const looks = values.counts.map((list) => numbersOf('--counts', list));
  const weights = numbersOf('--weights', values.weights);
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

function numbersOf(option: string, list: string): number[] {
  return list.split(',').map((word, at) => {
    const value = word.trim() === '' ? Number.NaN : Number(word);
    if (Number.isFinite(value)) return value;
    throw new InputError(`${option}[${at}] is "${word}"; it takes numbers with commas between them`);
  });
}
