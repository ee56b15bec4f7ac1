import { describe, expect, test } from 'vitest';
import { canonicalJson } from '#core/shadow/canonical-json.ts';
import { comparePair, type PairSide } from '#core/shadow/measures.ts';
import { rankCorrelation } from '#core/shadow/rank-correlation.ts';
import { stabilityIndex } from '#core/shadow/stability-index.ts';
import { compareTensors, readTensors } from '#core/shadow/tensors.ts';
import { tokenSimilarity, trigramSimilarity } from '#core/shadow/text-similarity.ts';
import { toolCallAgreement } from '#core/shadow/tool-calls.ts';

describe('texts', () => {
  test.each([
    ['', '', 1],
    ['', 'word', 0],
    ['the cat sat', 'the cat sat', 1],
    ['The  CAT\nsat', 'the cat sat', 1],
    // 3 of 4 words in order, of 4 + 4.
    ['the cat sat down', 'the cat lay down', 0.75],
    // "b c" of 3 + 3.
    ['a b c', 'b c d', 2 / 3],
    // Only one of two swapped words keeps its order.
    ['a b', 'b a', 0.5],
    ['今日は', '今日も', 2 / 3],
    ['ﬁne', 'fine', 1],
    ['yes!', 'yes', 2 / 3],
  ])('share of words in order of %j and %j', (one, other, share) => {
    expect(tokenSimilarity(one, other)).toBeCloseTo(share, 12);
  });

  test('trigrams of "abc" and "abd": " ab" of three and three', () => {
    expect(trigramSimilarity('abc', 'abd')).toBeCloseTo(1 / 3, 12);
    expect(trigramSimilarity('', '')).toBe(1);
    expect(trigramSimilarity('', 'a')).toBe(0);
    expect(trigramSimilarity('a', 'a')).toBe(1);
  });

  test('two texts of 64 KB without a common start take no more than the bound', () => {
    const one = 'x '.repeat(32_000);
    const other = `y ${'x '.repeat(32_000)}z`;
    expect(tokenSimilarity(one, other)).toBeCloseTo(1_999 / 2_000, 12);
  });
});

describe('tool calls', () => {
  const call = (name: string, args: string) => ({ name, arguments: args });
  test('equal up to the order of keys and calls', () => {
    const one = [call('a', '{"x":1,"y":[1,2]}'), call('b', '')];
    const other = [call('b', '{}'), call('a', '{ "y": [1, 2.0], "x": 1e0 }')];
    expect(toolCallAgreement(one, other)).toBe(1);
  });

  test('the same call twice agrees with one call by two thirds', () => {
    expect(toolCallAgreement([call('a', '{}'), call('a', '{}')], [call('a', '{}')])).toBeCloseTo(2 / 3, 12);
  });

  test('other arguments, another name, no call', () => {
    expect(toolCallAgreement([call('a', '{"x":1}')], [call('a', '{"x":2}')])).toBe(0);
    expect(toolCallAgreement([call('a', '{}')], [call('b', '{}')])).toBe(0);
    expect(toolCallAgreement([call('a', '{}')], [])).toBe(0);
    expect(toolCallAgreement([], [])).toBeNull();
  });

  test('what does not parse, or is nested too deeply, is compared as it stands', () => {
    expect(toolCallAgreement([call('a', '{"x":')], [call('a', '{"x":')])).toBe(1);
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    expect(canonicalJson(deep)).toBe(deep);
    expect(canonicalJson('{"b":1,"a":{"d":null,"c":"\\u00e9"}}')).toBe('{"a":{"c":"é","d":null},"b":1}');
  });
});

describe('numbers', () => {
  test.each([
    [[1, 2, 3], [10, 20, 30], 1],
    [[1, 2, 3], [3, 2, 1], -1],
    // Σd² = 2 of 4: 1 − 6·2/(4·15)
    [[1, 2, 3, 4], [1, 3, 2, 4], 0.8],
    // Ranks 1, 2½, 2½, 4 against 1, 2, 3, 4: 4.5/√(4.5·5)
    [[1, 2, 2, 3], [1, 2, 3, 4], 4.5 / Math.sqrt(22.5)],
    [[1, 1, 1], [1, 2, 3], null],
    [[1], [2], null],
  ])('rank correlation of %j and %j is %j', (one, other, expected) => {
    const found = rankCorrelation(one, other);
    if (expected === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(expected, 12);
  });

  test('the stability index of what is moved by one decile, by hand', () => {
    const expected = Array.from({ length: 10 }, (_, index) => index);
    expect(stabilityIndex(expected, expected)).toBe(0);
    // Edges 0…8: each bin holds one of ten; moved up by one, the first is empty and the last has two.
    const moved = expected.map((value) => value + 1);
    const [none, one, two] = [0.5 / 15, 1.5 / 15, 2.5 / 15];
    const byHand = (none - one) * Math.log(none / one) + (two - one) * Math.log(two / one);
    expect(stabilityIndex(expected, moved)).toBeCloseTo(byHand, 12);
    expect(stabilityIndex(expected.slice(1), expected)).toBeNull();
  });

  test('outputs, flat or nested, one by one', () => {
    const original = readTensors({
      outputs: [
        { name: 'scores', shape: [2, 2], datatype: 'FP32', data: [1, 2, 0, -4] },
        { name: 'label', shape: [1], datatype: 'BYTES', data: ['cat'] },
        { name: 'lonely', shape: [1], datatype: 'BOOL', data: [true] },
      ],
    })!;
    const shadow = readTensors({
      outputs: [
        {
          name: 'scores',
          shape: [2, 2],
          datatype: 'FP32',
          data: [
            [1.5, 2],
            [1, -5],
          ],
        },
      ],
    })!;
    expect(original.map(({ name }) => name)).toEqual(['scores', 'lonely']);
    const [scores, lonely] = compareTensors(original, shadow);
    expect(scores).toMatchObject({ name: 'scores', sameShape: true, meanAbsolute: 0.625, maxAbsolute: 1 });
    // 0.5/1, 0/2, 1/4; nothing is relative to 0.
    expect(scores!.meanRelative).toBeCloseTo(0.25, 12);
    // Ranks 3 4 2 1 against 3 4 2 1.
    expect(scores!.rankCorrelation).toBeCloseTo(1, 12);
    expect(scores!.stabilityIndex).toBeNull();
    expect(lonely).toMatchObject({ name: 'lonely', sameShape: false, meanAbsolute: null, originalMean: 1 });
  });

  test('what is no answer of the protocol, or no numbers', () => {
    for (const answer of [null, 1, {}, { outputs: 1 }]) expect(readTensors(answer)).toBeNull();
    const odd = [
      null,
      { name: 1, data: [1] },
      { name: 'x', data: [Number.POSITIVE_INFINITY] },
      { name: 'y', data: [] },
    ];
    expect(readTensors({ outputs: odd })).toEqual([]);
    expect(readTensors({ outputs: [{ name: 'a\u0000b\ud800', shape: [1], data: [1] }] })![0]!.name).toBe('ab\ufffd');
  });
});

describe('a pair', () => {
  const side: PairSide = {
    ...{ firstAttempt: 'succeeded', latencyUs: 1_000, costMicroUsd: 5, outputTokens: 10 },
    ...{ answer: { kind: 'chat', text: 'a b c', toolCalls: [] }, isSchemaValid: true },
  };

  test('differences are shadow minus original', () => {
    const shadow: PairSide = {
      ...{ firstAttempt: 'succeeded', latencyUs: 400, costMicroUsd: 8, outputTokens: 4 },
      ...{ answer: { kind: 'chat', text: 'a b', toolCalls: [{ name: 't', arguments: '{}' }] }, isSchemaValid: false },
    };
    expect(comparePair(side, shadow)).toEqual({
      ...{ failure: 0, both_failed: 0, latency_us: -600, cost_micro_usd: 3, output_tokens: -6 },
      ...{ schema_valid_original: 1, schema_valid_shadow: 0, schema_validity: -1 },
      ...{ length_log_ratio: Math.log(3 / 5), text_similarity: 0.8, tool_call_agreement: 0 },
      trigram_similarity: expect.closeTo(3 / Math.sqrt(15), 12),
    });
  });

  test('what is not known is missing, not zero', () => {
    const shadow: PairSide = {
      ...{ firstAttempt: 'failed', latencyUs: 9, costMicroUsd: null, outputTokens: null },
      ...{ answer: null, isSchemaValid: null },
    };
    expect(comparePair(side, shadow)).toEqual({ failure: 1, both_failed: 0, schema_valid_original: 1 });
    expect(comparePair(side, { ...shadow, firstAttempt: 'unknown' })).toEqual({ schema_valid_original: 1 });
    expect(comparePair({ ...shadow }, shadow)).toEqual({ failure: 0, both_failed: 1 });
  });

  test('outputs of a numeric model, by name', () => {
    const answer = (value: number): PairSide => ({
      ...{ ...side, isSchemaValid: null, latencyUs: null },
      answer: { kind: 'tensors', tensors: [{ name: 'y', shape: [1, 1], values: [value] }] },
    });
    expect(comparePair(answer(2), answer(3))).toMatchObject({
      ...{ 'tensor.y.same_shape': 1, 'tensor.y.mean_absolute': 1, 'tensor.y.mean_relative': 0.5 },
      ...{ 'tensor.y.original_mean': 2, 'tensor.y.shadow_mean': 3 },
    });
    expect(comparePair(answer(2), side)).not.toHaveProperty('text_similarity');
  });
});
