import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Metadata } from '#core/metadata.ts';
import { armOf, compileExperiment, placeIn } from '#core/snapshot/experiment.ts';
import type { SnapshotExperiment, SnapshotGroup } from '#core/snapshot/schema.ts';
import { BUCKETS } from '#core/split/bucket.ts';

type Ranges = [number, number][];
const CHAMPION = '01890000-0000-7000-8000-00000000000a';
const CHALLENGER = '01890000-0000-7000-8000-00000000000b';

function variants(champion: Ranges, challenger: Ranges): SnapshotGroup['variants'] {
  return [
    { modelId: CHAMPION, role: 'champion', weightBp: 0, ranges: champion },
    { modelId: CHALLENGER, role: 'challenger', weightBp: 0, ranges: challenger },
  ];
}

function experiment(...arms: [string, Ranges][]): SnapshotExperiment {
  const id = '01890000-0000-7000-8000-0000000000ee';
  return { id, phase: 3, arms: arms.map(([modelId, ranges]) => ({ modelId, ranges })), correlationKey: null };
}

test('a bucket counts in the arm whose range holds it, and outside of all ranges in none', () => {
  const given = variants([[0, 9000]], [[9000, 10_000]]);
  const compiled = compileExperiment(experiment([CHAMPION, [[8000, 9000]]], [CHALLENGER, [[9000, 10_000]]]), given);
  expect([0, 7999, 8000, 8999, 9000, 9999].map((bucket) => armOf(compiled, bucket))).toEqual([null, null, 0, 0, 1, 1]);
  expect(compiled).toMatchObject({ phase: 3, correlationKey: null });
});

test('arms without ranges count nothing: a challenger that only gets mirrored calls', () => {
  const compiled = compileExperiment(experiment([CHAMPION, []], [CHALLENGER, []]), variants([[0, 10_000]], []));
  expect(armOf(compiled, 0)).toBeNull();
  expect(armOf(compiled, 9999)).toBeNull();
});

test('the look-up agrees with looking through the ranges, for any arms', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: BUCKETS - 1 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      cuts,
      fc.array(fc.constantFrom(0, 1, 2), { minLength: 13, maxLength: 13 }),
      fc.nat(),
      (at, owners, seed) => {
        const edges = [0, ...at.toSorted((a, b) => a - b), BUCKETS];
        const pieces = edges.slice(1).map((to, i): [number, number] => [edges[i]!, to]);
        const arms: Ranges[] = [0, 1].map((arm) => pieces.filter((_, i) => owners[i] === arm));
        const owned = [0, 1].map((arm) => pieces.filter((_, i) => owners[i] === arm || (arm === 0 && owners[i] === 2)));
        const compiled = compileExperiment(
          experiment([CHAMPION, arms[0]!], [CHALLENGER, arms[1]!]),
          variants(owned[0]!, owned[1]!),
        );
        for (let i = 0; i < 50; i++) {
          const bucket = (seed + i * 197) % BUCKETS;
          const arm = arms.findIndex((ranges) => ranges.some(([from, to]) => from <= bucket && bucket < to));
          expect(armOf(compiled, bucket)).toBe(arm === -1 ? null : arm);
        }
      },
    ),
  );
});

describe('the place of an inference', () => {
  const place = (
    correlationKey: string | null,
    metadata: Metadata | null,
    kept: Metadata | undefined = metadata ?? undefined,
  ) =>
    placeIn(
      compileExperiment(
        { ...experiment([CHAMPION, [[0, 9000]]]), correlationKey },
        variants([[0, 9000]], [[9000, 10_000]]),
      ),
      5,
      metadata,
      kept,
    );

  test('names experiment, phase and arm, and the value of the correlation key', () => {
    expect(place(null, { order: 'o-1' })).toEqual({ id: experiment().id, phase: 3, arm: 0 });
    expect(place('order', { order: 'o-1' })).toMatchObject({ arm: 0, correlation: 'o-1' });
    expect(place('order', { order: 17 })).toMatchObject({ correlation: '17' });
    expect(place('order', { order: 'x'.repeat(256) })?.correlation).toHaveLength(256);
  });

  test.each<[string, Metadata | null, Metadata | undefined]>([
    ['there is no metadata', null, undefined],
    ['the key is missing', { other: 'o-1' }, { other: 'o-1' }],
    ['it is neither text nor number', { order: true }, { order: true }],
    ['it is empty', { order: '' }, { order: '' }],
    ['it is too long', { order: 'x'.repeat(257) }, { order: 'x'.repeat(257) }],
    ['the policy of the group hides it', { order: 'a@b.example' }, { order: '[email]' }],
    ['the policy of the group hides all of it', { order: 'o-1' }, {}],
  ])('has no correlation where %s', (_, metadata, kept) => {
    expect(place('order', metadata, kept)).toEqual({ id: experiment().id, phase: 3, arm: 0 });
  });

  test('a key that every object inherits is missing', () =>
    expect(place('toString', {})).not.toHaveProperty('correlation'));
  test('is nowhere in a bucket of no arm', () => {
    const compiled = compileExperiment(experiment([CHAMPION, [[0, 5]]]), variants([[0, 10_000]], []));
    expect(placeIn(compiled, 5, null, undefined)).toBeUndefined();
  });
});

test('an arm may span ranges of its variant that touch', () => {
  const given = variants(
    [
      [3000, 6000],
      [0, 3000],
    ],
    [[6000, 10_000]],
  );
  const compiled = compileExperiment(experiment([CHAMPION, [[1000, 5000]]], [CHALLENGER, []]), given);
  expect(armOf(compiled, 3000)).toBe(0);
});

test.each<[string, SnapshotExperiment, RegExp]>([
  [
    'a range that the variant does not own',
    experiment([CHAMPION, [[8000, 9001]]], [CHALLENGER, []]),
    /arm 0 counts bucket 9000/,
  ],
  ['a range of another variant', experiment([CHAMPION, []], [CHALLENGER, [[0, 10]]]), /arm 1 counts bucket 0/],
  [
    'a bucket that counts twice',
    experiment([
      CHAMPION,
      [
        [0, 10],
        [9, 20],
      ],
    ]),
    /bucket 9 counts twice/,
  ],
  ['a range that ends before it starts', experiment([CHAMPION, [[10, 5]]]), /\[10, 5\) is no range/],
  ['an empty range', experiment([CHAMPION, [[5, 5]]]), /\[5, 5\) is no range/],
  ['a model that is no variant', experiment(['01890000-0000-7000-8000-00000000000c', []]), /is no variant/],
  ['a model in two arms', experiment([CHAMPION, []], [CHAMPION, []]), /in two arms/],
])('refuses %s with a sentence', (_, document, message) => {
  expect(() => compileExperiment(document, variants([[0, 9000]], [[9000, 10_000]]))).toThrow(message);
});
