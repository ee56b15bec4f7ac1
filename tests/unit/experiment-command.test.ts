import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ANALYZE_HELP, analyze } from '#cli/experiment/analyze.ts';
import { SRM_HELP, srm } from '#cli/experiment/srm.ts';
import { UsageError } from '#cli/usage-error.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
const MEAN = {
  kind: 'mean',
  champion: { n: 3000, sum: 1396.87, sumSquares: 52377.9767 },
  challenger: { n: 3461, sum: 2422.7, sumSquares: 134698.29 },
  ...{ alpha: 0.05, plannedN: 1000, relative: true },
};
const RATE = { kind: 'rate', champion: { n: 3000, events: 1396 }, challenger: { n: 3461, events: 2422 } };
const analyzeJson = (input: unknown) => analyze(['--json', JSON.stringify(input)]);

interface Figures {
  readonly effect: number;
  readonly standardError: number;
  readonly lower: number;
  readonly upper: number;
  readonly pValue: number;
}

describe('analyze', () => {
  test('means: the reference', async () => {
    const result = (await analyzeJson(MEAN)) as Record<string, number>;
    expect(Object.keys(result)).toEqual([
      'method',
      'effect',
      'standardError',
      'lower',
      'upper',
      'pValue',
      'alpha',
      'n',
      'look',
    ]);
    expect(result).toMatchObject({ method: 'confidence_sequence', pValue: 1, alpha: 0.05, n: 6461 });
    expect(result['lower']).toBeCloseTo(-0.55844, 5);
    expect(result['upper']).toBeCloseTo(1.56516, 5);
  });

  test('rates: the reference, with the defaults', async () => {
    const result = (await analyzeJson({ ...RATE, relative: true })) as Record<string, number>;
    expect(result).toMatchObject({ method: 'confidence_sequence', alpha: 0.05 });
    expect(result['lower']).toBeCloseTo(0.40098, 5);
    expect(result['upper']).toBeCloseTo(0.60675, 5);
    expect(await analyzeJson({ ...RATE, relative: true, alpha: 0.05, plannedN: 5000, sided: 'two' })).toEqual(result);
  });

  test('ratios: units with one value each are plain means', async () => {
    const ratio = ({ n, sum, sumSquares }: typeof MEAN.champion) => ({
      units: n,
      n,
      nSquares: n,
      sum,
      sumSquares,
      products: sum,
    });
    const input = { ...MEAN, kind: 'ratio', champion: ratio(MEAN.champion), challenger: ratio(MEAN.challenger) };
    expect(await analyzeJson(input)).toEqual(await analyzeJson(MEAN));
  });

  test('one-sided bounds are narrower', async () => {
    const [two, one] = [await analyzeJson(MEAN), await analyzeJson({ ...MEAN, sided: 'one' })] as { lower: number }[];
    expect(one!.lower).toBeGreaterThan(two!.lower);
  });

  test('rates at small counts', async () => {
    const input = {
      kind: 'rate',
      champion: { n: 1000, events: 1 },
      challenger: { n: 1000, events: 20 },
      relative: true,
    };
    const result = (await analyzeJson(input)) as Record<string, number>;
    expect(result).toMatchObject({ method: 'small_counts', standardError: null, n: 2000, events: 21 });
    // Twice B(21, 2)⁻¹ · 2⁻²¹ of the half above ½, which leaves out I_½(21, 2) = 23/2²² of the whole.
    expect(result['pValue']).toBeCloseTo((22 * 21) / 2 ** 21 / (1 - 23 / 2 ** 22), 12);
    expect(result['lower']).toBeGreaterThan(0);
  });

  test('numbers that nothing may be concluded from', async () => {
    const input = { ...MEAN, challenger: { n: 99, sum: 50, sumSquares: 50 } };
    expect(await analyzeJson(input)).toEqual({
      ...{ method: 'none', why: 'too_few_units', detail: 'an arm has fewer than 100 units' },
      ...{ effect: null, standardError: null, lower: null, upper: null, pValue: null, alpha: 0.05, n: 3099 },
      look: {
        ...{ method: 'none', why: 'an arm has fewer than 100 units' },
        ...{ effect: null, standardError: null, lower: null, upper: null, pValue: null },
      },
    });
  });

  test('what a look makes of it: the same, and wider where a relative effect is uncertain', async () => {
    const of = async (input: unknown) => (await analyzeJson(input)) as Figures & { look: Figures };
    const absolute = await of({ ...MEAN, relative: false });
    expect(absolute.look).toEqual({
      method: 'confidence_sequence',
      effect: absolute.effect,
      standardError: absolute.standardError,
      ...{ lower: absolute.lower, upper: absolute.upper, pValue: absolute.pValue },
    });
    const relative = await of(MEAN);
    expect(relative.look.effect).toBe(relative.effect);
    expect(relative.look.upper).toBeGreaterThan(relative.upper);
    // 3 of 1000 and 20 of 1000 are few; the share of events decides.
    const few = await of({
      ...RATE,
      champion: { n: 1000, events: 3 },
      challenger: { n: 1000, events: 20 },
      relative: true,
    });
    expect(few.look).toMatchObject({ method: 'small_counts', standardError: null });
    expect(few.look.effect).toBeCloseTo(few.effect, 12);
    // α is divided between the two forms, and of this one's part the first phase has 0.8.
    expect(few.look.pValue).toBeCloseTo(few.pValue / 0.3 / 0.8, 12);
    const atThatPart = await of({
      ...RATE,
      champion: { n: 1000, events: 3 },
      challenger: { n: 1000, events: 20 },
      relative: true,
      alpha: 0.05 * 0.3 * 0.8,
    });
    expect([few.look.lower, few.look.upper]).toEqual([atThatPart.lower, atThatPart.upper]);
  });

  test.each<[problem: string, input: unknown, line: RegExp]>([
    ['no object', [], /^the input: /],
    ['no kind', {}, /^kind: /],
    ['an arm missing', { kind: 'mean', champion: MEAN.champion }, /^challenger: /],
    ['a sum missing', { ...MEAN, champion: { n: 1, sum: 1 } }, /^champion\.sumSquares: /],
    ['a fraction of a unit', { ...MEAN, champion: { ...MEAN.champion, n: 1.5 } }, /^champion\.n: /],
    ['no number', { ...MEAN, champion: { ...MEAN.champion, sum: '1' } }, /^champion\.sum: /],
    ['null, which is what NaN becomes', { ...MEAN, alpha: Number.NaN }, /^alpha: /],
    ['an unknown field', { ...MEAN, plannedn: 5 }, /^plannedn: is not a known field/],
    ['an unknown field below', { ...MEAN, champion: { ...MEAN.champion, mean: 5 } }, /^champion\.mean: is not/],
    ['alpha out of range', { ...MEAN, alpha: 1 }, /^alpha is 1; it is above 0 and below 1/],
    [
      'sums that no values have',
      { ...MEAN, champion: { n: 300, sum: 100, sumSquares: 1 } },
      /^champion\.sumSquares is 1, too small/,
    ],
    [
      'more events than trials',
      { ...RATE, challenger: { n: 1, events: 2 } },
      /^challenger\.events is 2, more than n = 1/,
    ],
  ])('%s: one line that names the field', async (_, input, line) => {
    const failed = analyzeJson(input);
    await expect(failed).rejects.toThrow(UsageError);
    await expect(failed).rejects.toThrow(line);
    await expect(failed).rejects.not.toThrow(/\n/);
  });

  test.each<[problem: string, input: string, line: string]>([
    ['text for a number', '{"kind":"rate","champion":{"n":"3000"}}', 'champion.n: is "3000"; it is a number'],
    ['text for a sum', '{"kind":"mean","champion":{"n":1,"sum":"1"}}', 'champion.sum: is "1"; it is a number'],
    ['a fraction', '{"kind":"rate","champion":{"n":1.5}}', 'champion.n: is 1.5; it is a whole number'],
    ['less than none', '{"kind":"rate","champion":{"n":-1}}', 'champion.n: is -1; it is at least 0'],
    [
      'more than can be counted',
      '{"kind":"rate","champion":{"n":1e16}}',
      'champion.n: is 10000000000000000; it is at most 9007199254740991',
    ],
    [
      'more than a number',
      '{"kind":"mean","champion":{"n":1,"sum":1e400}}',
      'champion.sum: is beyond what numbers hold',
    ],
    [
      'another spelling',
      '{"kind":"mean","champion":{"n":1,"sum":1,"sum_squares":1}}',
      'champion.sumSquares: is missing; it is a number ("sum_squares" is not a known field)',
    ],
    ['a list for an arm', '{"kind":"mean","champion":[1]}', 'champion: is a list; it is an object'],
    ['null for an arm', '{"kind":"mean","champion":null}', 'champion: is null; it is an object'],
    ['another kind', '{"kind":"median"}', 'kind: is "median"; it is one of "mean", "ratio", "rate"'],
    ['no kind', '{}', 'kind: is missing; it is one of "mean", "ratio", "rate"'],
    ['another side', JSON.stringify({ ...MEAN, sided: 'left' }), 'sided: is "left"; it is one of "two", "one"'],
    ['text for yes', JSON.stringify({ ...MEAN, relative: 'true' }), 'relative: is "true"; it is true or false'],
    [
      'an unknown field',
      JSON.stringify({ ...MEAN, planned: 5 }),
      'planned: is not a known field; known are kind, champion, challenger, alpha, plannedN, relative, sided',
    ],
    ['no object', '3', 'the input: is 3; it is an object'],
  ])('%s: what is there, and what belongs there', async (_, input, line) => {
    await expect(analyze(['--json', input])).rejects.toThrow(new UsageError(line));
  });

  test('no JSON, no file, no argument', async () => {
    await expect(analyze(['--json', '{'])).rejects.toThrow(/^--json is not JSON: /);
    await expect(analyze(['--json', '@/no/such/file'])).rejects.toThrow(
      /^--json names a file that cannot be read: ENOENT/,
    );
    await expect(analyze([])).rejects.toThrow(/^--json is missing/);
    await expect(analyze(['--json', '{}', '--json', '{}'])).rejects.toThrow(
      /^--json is given 2 times; it is given once/,
    );
  });

  test('from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ringside-experiment-'));
    try {
      await writeFile(join(folder, 'input.json'), JSON.stringify(MEAN));
      expect(await analyze(['--json', `@${join(folder, 'input.json')}`])).toEqual(await analyzeJson(MEAN));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('srm', () => {
  const run = (line: string) => srm(line.split(' ')) as Promise<Record<string, number>>;

  test('χ²', async () => {
    const result = await run('--counts 500,600 --weights 5000,5000');
    expect(result).toMatchObject({ method: 'chi_square', degreesOfFreedom: 1, n: 1100 });
    expect(result['statistic']).toBeCloseTo(9.090909, 6);
    expect(result['pValue']).toBeCloseTo(0.0025688, 7);
    expect(await run('--counts 250,300 --counts 250,300 --weights 1,1')).toEqual(result);
  });

  test('sequential, in one look and in two', async () => {
    const one = await run('--counts 500,600 --weights 5000,5000 --sequential');
    const two = await run('--counts 250,300 --counts 250,300 --weights 5000,5000 --sequential');
    expect(one).toMatchObject({ method: 'dirichlet_multinomial', n: 1100, looks: 1 });
    expect(one['pValue']).toBeCloseTo(0.6714507, 7);
    expect(1 / one['eValue']!).toBeCloseTo(0.6714507, 7);
    expect(two).toEqual({ ...one, looks: 2 });
  });

  test.each([
    ['--weights 1,1', /^--counts is missing/],
    ['--counts 1,1', /^--weights is missing/],
    ['--counts 1,x --weights 1,1', /^--counts\[1\] is "x"/],
    ['--counts 1, --weights 1,1', /^--counts\[1\] is ""/],
    ['--counts 1,2;3,4 --weights 1,1', /^--counts\[1\] is "2;3".*--counts again for each further look/],
    ['--counts 1,0x10 --weights 1,1', /^--counts\[1\] is "0x10"/],
    ['--counts 1,2 --weights 1,1 --weights 1,2', /^--weights is given 2 times; it is given once/],
    ['--counts 1,2,3 --weights 1,1', /^counts has 3 numbers and weights has 2/],
    ['--counts 1,2 --counts 1 --weights 1,1', /^counts has 1 numbers|^counts\[1\] has 1 numbers/],
    ['--counts 1,-2 --weights 1,1', /^counts\[1\] is -2/],
    ['--counts 1,2 --weights 1,0', /^weights has fewer than two positive weights/],
  ])('%s', async (line, message) => {
    await expect(run(line)).rejects.toThrow(message);
    await expect(run(`${line} --sequential`)).rejects.toThrow(message);
  });
});

describe('the command itself', () => {
  /** With settings that no other command would accept, and no database. */
  function ringside(args: readonly string[], stdin = '') {
    return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const env = { ...process.env, RINGSIDE_GATEWAY_LISTEN: 'nonsense:-1', DATABASE_URL: 'nonsense' };
      const child = execFile(process.execPath, [LAUNCHER, 'experiment', ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
      child.stdin!.end(stdin);
    });
  }

  test('prints JSON, from an argument and from the standard input', async () => {
    const [given, piped] = await Promise.all([
      ringside(['analyze', '--json', JSON.stringify(MEAN)]),
      ringside(['analyze', '--json', '-'], JSON.stringify(MEAN)),
    ]);
    expect(given).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(given.stdout)).toMatchObject({ method: 'confidence_sequence', n: 6461 });
    expect(piped).toEqual(given);
  });

  test('ends with 2 and one line when the input is wrong', async () => {
    const wrong = [
      ['analyze', '--json', '{"kind":"rate","champion":{"n":1,"events":2},"challenger":{"n":1,"events":0}}'],
      ['srm', '--counts', '1,2', '--bogus'],
      ['srm', '--counts', '-1,2', '--weights', '1,1'],
      ['analyse'],
      [],
    ];
    const ended = await Promise.all(wrong.map((args) => ringside(args)));
    expect(ended.map(({ code, stdout, stderr }) => [code, stdout, stderr.split('\n').length])).toEqual(
      wrong.map(() => [2, '', 2]),
    );
    expect(ended[0]!.stderr).toBe('ringside: experiment analyze: champion.events is 2, more than n = 1\n');
    expect(ended[3]!.stderr).toMatch(/^ringside: experiment: unknown command "analyse"/);
  });

  test('explains itself', async () => {
    const [all, one] = await Promise.all([ringside(['--help']), ringside(['srm', '--help'])]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    expect(all.stdout).toMatch(/analyze[\s\S]*srm/);
    expect(one.stdout).toMatch(/^usage: ringside experiment srm/);
  });

  test('its examples work as they stand there', async () => {
    const examples = ANALYZE_HELP.matchAll(/ringside experiment analyze --json '(\{[^']+\})'/g);
    const found = await Promise.all([...examples].map(([, json]) => analyze(['--json', json!])));
    expect(found).toMatchObject([
      { method: 'confidence_sequence' },
      { method: 'confidence_sequence' },
      { method: 'small_counts' },
    ]);
    const lines = SRM_HELP.matchAll(/^ {2}ringside experiment srm (.+)$/gm);
    const splits = await Promise.all([...lines].map(([, line]) => srm(line!.split(' '))));
    expect(splits).toMatchObject([{ method: 'chi_square' }, { method: 'dirichlet_multinomial', looks: 2 }]);
  });
});
