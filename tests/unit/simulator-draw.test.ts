import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BehaviourInput, behaviourSchema, parseBehaviour } from '#simulator/behaviour.ts';
import { ANY_MODEL, createBehaviourRegistry } from '#simulator/behaviour-registry.ts';
import { drawRequest } from '#simulator/draw.ts';
import { createRandom } from '#simulator/random.ts';
import { composeAnswer, countTokens, tokenize } from '#simulator/tokens.ts';

const behaviour = (input: BehaviourInput) => behaviourSchema.parse(input);
const draws = (input: BehaviourInput, count: number) =>
  Array.from({ length: count }, (_, turn) => drawRequest(behaviour(input), createRandom(`draw ${turn}`)));
const kinds = (input: BehaviourInput, count: number) => draws(input, count).map(({ fate }) => fate.kind);
const percentile = (values: number[], share: number) => values.toSorted((a, b) => a - b)[share * values.length]!;

describe('a draw', () => {
  test('is the same for the same seed, and answers at once by default', () => {
    const faulty: BehaviourInput = { errors: [{ status: 500, rate: 0.3 }], resetRate: 0.3 };
    expect(draws(faulty, 200)).toEqual(draws(faulty, 200));
    expect(drawRequest(behaviour({}), createRandom('any'))).toEqual({
      fate: { kind: 'answer', cut: undefined },
      latencyMs: 0,
      firstTokenMs: 0,
    });
  });

  test('takes as many numbers whatever the behaviour, so one rate does not move the others', () => {
    const distribution = fc.constantFrom(
      { kind: 'fixed' as const, ms: 5 },
      { kind: 'uniform' as const, minMs: 1, maxMs: 9 },
      { kind: 'lognormal' as const, medianMs: 10, p95Ms: 40 },
    );
    const rate = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(distribution, distribution, rate, rate, rate, (latencyMs, firstTokenMs, one, two, three) => {
        let taken = 0;
        const random = createRandom('counted');
        const errors = [{ status: 500, rate: three }];
        const input = { latencyMs, firstTokenMs, resetRate: one, blackHoleRate: two, errors };
        drawRequest(behaviour(input), () => {
          taken++;
          return random();
        });
        expect(taken).toBe(8);
      }),
    );
  });

  test('meets each rate, and picks one error at most', () => {
    const errors = [
      { status: 429, rate: 0.2 },
      { status: 503, rate: 0.1 },
    ];
    const drawn = draws({ errors, blackHoleRate: 0.1 }, 20_000).map(({ fate }) =>
      fate.kind === 'error' ? fate.error.status : fate.kind,
    );
    const share = (what: string | number) => drawn.filter((kind) => kind === what).length / drawn.length;
    expect(share('black-hole')).toBeCloseTo(0.1, 1);
    expect(share(429)).toBeCloseTo(0.9 * 0.2, 1);
    expect(share(503)).toBeCloseTo(0.9 * 0.1, 1);
  });

  test('gives every request to a rate of 1 and none to a rate of 0', () => {
    expect(new Set(kinds({ resetBeforeHeadersRate: 1 }, 100))).toEqual(new Set(['reset-before-headers']));
    expect(new Set(kinds({ errors: [{ status: 500, rate: 1 }] }, 100))).toEqual(new Set(['error']));
    expect(new Set(kinds({}, 100))).toEqual(new Set(['answer']));
  });

  test('follows its distribution', () => {
    const lognormal = draws({ latencyMs: { kind: 'lognormal', medianMs: 200, p95Ms: 900 } }, 20_000);
    const times = lognormal.map(({ latencyMs }) => latencyMs);
    expect(Math.abs(percentile(times, 0.5) / 200 - 1)).toBeLessThan(0.05);
    expect(Math.abs(percentile(times, 0.95) / 900 - 1)).toBeLessThan(0.05);
    for (const { latencyMs } of draws({ latencyMs: { kind: 'uniform', minMs: 10, maxMs: 20 } }, 1000)) {
      expect(latencyMs).toBeGreaterThanOrEqual(10);
      expect(latencyMs).toBeLessThanOrEqual(20);
    }
  });
});

describe('a behaviour', () => {
  test('takes what it leaves out from its base', () => {
    const base = behaviour({ gzip: true, answerTokens: 5 });
    const parsed = parseBehaviour('{"answerTokens": 9}', base);
    expect(parsed).toEqual({ kind: 'behaviour', behaviour: { ...base, answerTokens: 9 } });
  });

  test.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['an unknown key', '{"latency": 1}'],
    ['a rate above 1', '{"resetRate": 1.1}'],
    ['rates that sum above 1', '{"errors": [{"status": 500, "rate": 0.6}, {"status": 503, "rate": 0.6}]}'],
    ['a p95 below the median', '{"latencyMs": {"kind": "lognormal", "medianMs": 9, "p95Ms": 3}}'],
  ])('is refused for %s', (_, json) => {
    expect(parseBehaviour(json).kind).toBe('invalid');
  });

  test('starts the turns of its model anew when it is set or removed', () => {
    const registry = createBehaviourRegistry();
    const turns = () => [registry.takeTurn('a'), registry.takeTurn('b')];
    expect([turns(), turns()]).toEqual([
      [0, 0],
      [1, 1],
    ]);
    registry.set('a', behaviour({ gzip: true }));
    expect(turns()).toEqual([0, 2]);
    registry.set(ANY_MODEL, behaviour({ answerTokens: 1 }));
    expect(turns()).toEqual([0, 0]);
    expect([registry.of('a').gzip, registry.of('b').answerTokens, registry.models()]).toEqual([true, 1, ['a']]);
  });
});

describe('tokens', () => {
  test('join to the text and are counted without being cut', () => {
    const units = ['a', 'é', ' ', '\n', '\0', '\u00a0', '\u3000', '\ufeff', '🥊', '\ud83e', '\udd4a'];
    const text = fc.string({ unit: fc.constantFrom(...units), maxLength: 60 });
    fc.assert(
      fc.property(text, (value) => {
        expect(tokenize(value).join('')).toBe(value.trimEnd());
        expect(countTokens(value)).toBe(tokenize(value).length);
      }),
    );
  });

  test('an answer has as many as it should, names its model and is a prefix of a longer one', () => {
    const answer = (count: number) => composeAnswer('gpt-4o', createRandom('text'), count);
    expect(answer(50).join('')).toMatch(/^\[gpt-4o\] \w+ /);
    expect(countTokens(answer(50).join(''))).toBe(50);
    expect(answer(50).slice(0, 7)).toEqual(answer(7));
    expect(answer(0)).toEqual([]);
  });
});
