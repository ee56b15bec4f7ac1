import { describe, expect, test } from 'vitest';
import { createInferenceId, createRandomPool } from '#core/ids.ts';
import { MAX_ITEMS, parseFeedbackBody } from '#gateway/feedback/parse.ts';

const NOW_MS = Date.parse('2030-01-31T08:30:00Z');
const pool = createRandomPool();
const mine = createInferenceId(NOW_MS - 1_000, 7, pool);
const foreign = createInferenceId(NOW_MS - 1_000, 8, pool);
const future = createInferenceId(NOW_MS + 25 * 3_600_000, 7, pool);
let made = 0;
const context = { nowMs: NOW_MS, mayReport: (id: string) => id.slice(15, 18) === '007', newId: () => `made-${++made}` };

const parse = (body: unknown) => parseFeedbackBody(JSON.parse(JSON.stringify(body)), context);
const good = { inferenceId: mine, metric: 'thumbs_up', value: true };

describe('what is taken', () => {
  test.each<[string, object, object]>([
    ['a boolean', { value: true }, { kind: 'boolean', value: 1, label: null, comment: null }],
    ['false', { value: false }, { kind: 'boolean', value: 0 }],
    ['a number', { value: -0.25 }, { kind: 'numeric', value: -0.25 }],
    ['zero', { value: 0 }, { kind: 'numeric', value: 0 }],
    ['the bounds', { value: -1e12 }, { kind: 'numeric', value: -1e12 }],
    ['a label', { value: undefined, label: 'off-topic' }, { kind: 'label', label: 'off-topic', value: null }],
    ['a comment alone', { value: undefined, comment: 'hm' }, { kind: 'comment', comment: 'hm', value: null }],
    ['a value with a comment', { value: 3, comment: 'so so' }, { kind: 'numeric', value: 3, comment: 'so so' }],
    ['null for what is left out', { label: null, comment: null, at: null, id: null }, { kind: 'boolean', value: 1 }],
    ['an id of its own', { id: 'a:b/c#1' }, { id: 'a:b/c#1' }],
    ['an id in capitals', { inferenceId: mine.toUpperCase() }, { inferenceId: mine }],
    [
      'a correlation',
      { inferenceId: undefined, correlationId: 'ticket 12' },
      { inferenceId: null, correlation: 'ticket 12' },
    ],
    ['a time', { at: '2030-01-30T09:30:00+01:00' }, { atMs: NOW_MS - 24 * 3_600_000 }],
    ['a clock that is a little ahead', { at: '2030-01-31T08:34:00Z' }, { atMs: NOW_MS + 240_000 }],
    ['no time', {}, { atMs: NOW_MS, metric: 'thumbs_up' }],
  ])('%s', (_, changes, expected) => {
    expect(parse({ ...good, ...changes })).toMatchObject({ kind: 'items', items: [expected] });
  });

  test('as many as are allowed in one call, each with an id', () => {
    const parsed = parse({ feedback: Array.from({ length: MAX_ITEMS }, () => good) });
    expect(parsed.kind === 'items' && new Set(parsed.items.map(({ id }) => id)).size).toBe(MAX_ITEMS);
  });
});

describe('what is refused, with the field and the reason', () => {
  test.each<[string, object, string | null, RegExp]>([
    ['an unknown field', { score: 1 }, 'score', /is not known; there are id, inferenceId/],
    ['no inference', { inferenceId: undefined }, 'inferenceId', /is missing: give it .* or correlationId/],
    ['two names of an inference', { correlationId: 'x' }, 'correlationId', /left out where inferenceId/],
    ['an inference that is no UUID', { inferenceId: 'abc' }, 'inferenceId', /a UUID of version 7/],
    ['one that is no text', { inferenceId: 5 }, 'inferenceId', /a UUID of version 7/],
    ['a UUID of another version', { inferenceId: '7e6d5c4b-3a29-4180-9f0e-1d2c3b4a5f55' }, 'inferenceId', /version 7/],
    ['an inference of nobody here', { inferenceId: foreign }, 'inferenceId', /of no model group that this API key may/],
    ['one of tomorrow', { inferenceId: future }, 'inferenceId', /has not come yet/],
    ['an empty correlation', { inferenceId: undefined, correlationId: '' }, 'correlationId', /1 to 256 characters/],
    ['a long one', { inferenceId: undefined, correlationId: 'x'.repeat(257) }, 'correlationId', /1 to 256/],
    ['no metric', { metric: undefined }, 'metric', /is missing: .* up to 64 lower-case letters/],
    ['a metric in capitals', { metric: 'CSAT' }, 'metric', /up to 64 lower-case letters/],
    ['a metric with a label', { metric: 'a=b' }, 'metric', /up to 64 lower-case letters/],
    ['a metric of ours', { metric: 'latency' }, 'metric', /measured by Ringside itself/],
    ['a derived one', { metric: 'schema_validity' }, 'metric', /measured by Ringside itself/],
    ['nothing said', { value: undefined }, 'value', /is missing: give a value .*, a label or a comment/],
    ['value and label', { label: 'x' }, 'label', /left out where value is given/],
    ['a text for a value', { value: '5' }, 'value', /boolean or a number/],
    ['a list for a value', { value: [] }, 'value', /boolean or a number/],
    ['too large a value', { value: 1.1e12 }, 'value', /from -1e12 to 1e12/],
    ['an empty label', { value: undefined, label: '' }, 'label', /1 to 64 characters without spaces/],
    ['a label with a space', { value: undefined, label: 'off topic' }, 'label', /without spaces/],
    ['a label with an equals sign', { value: undefined, label: 'a=b' }, 'label', /without spaces and "="/],
    ['a label with a NUL', { value: undefined, label: 'a\0' }, 'label', /1 to 64/],
    ['half a character', { value: undefined, label: 'a\ud800' }, 'label', /1 to 64/],
    ['a long label', { value: undefined, label: 'x'.repeat(65) }, 'label', /1 to 64/],
    ['an empty comment', { comment: '' }, 'comment', /1 to 8192 bytes/],
    ['a long comment', { comment: 'ü'.repeat(4_097) }, 'comment', /1 to 8192 bytes/],
    ['an id with a space', { id: 'a b' }, 'id', /1 to 128 printable/],
    ['an empty id', { id: '' }, 'id', /1 to 128 printable/],
    ['a long id', { id: 'x'.repeat(129) }, 'id', /1 to 128 printable/],
    ['an id beyond ASCII', { id: 'é' }, 'id', /printable ASCII/],
    ['a number for an id', { id: 5 }, 'id', /1 to 128 printable/],
    ['a time without a zone', { at: '2030-01-31T08:30:00' }, 'at', /a time with its zone/],
    ['a number for a time', { at: NOW_MS }, 'at', /a time with its zone/],
    ['a time to come', { at: '2030-01-31T08:36:00Z' }, 'at', /lies in the future/],
    ['a time long ago', { at: '0000-01-01T00:00:00Z' }, 'at', /more than 400 days back/],
  ])('%s', (_, changes, field, message) => {
    const issue = { field, message: expect.stringMatching(message) };
    expect(parse({ ...good, ...changes })).toMatchObject({ kind: 'issues', issues: [{ ...issue, item: null }] });
    expect(parse({ feedback: [good, { ...good, ...changes }] })).toMatchObject({
      ...{ kind: 'issues', count: 2 },
      issues: [{ ...issue, item: 1 }],
    });
  });

  test('any number of unknown fields is one issue', () => {
    const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`x${index}`, 1]));
    expect(parse({ ...good, ...fields })).toMatchObject({
      issues: [{ field: 'x0', message: expect.stringMatching(/^is not known \(nor are 999 more\); there are id,/) }],
    });
  });

  test('a number that JSON cannot hold', () => {
    const body: unknown = JSON.parse(`{"inferenceId":"${mine}","metric":"x","value":1e999}`);
    expect(parseFeedbackBody(body, context)).toMatchObject({ kind: 'issues', issues: [{ field: 'value' }] });
  });

  test.each<[string, unknown, string | null, RegExp]>([
    ['no object', 5, null, /must be a JSON object/],
    ['a bare list', [good], null, /must be a JSON object/],
    ['an empty list', { feedback: [] }, 'feedback', /is empty/],
    ['no list', { feedback: good }, 'feedback', /must be a list/],
    ['a list and more', { feedback: [good], metric: 'x' }, 'feedback', /"metric" belongs into its reports/],
    [
      'too many',
      { feedback: Array.from({ length: MAX_ITEMS + 1 }, () => good) },
      'feedback',
      /holds 1001 reports; 1000/,
    ],
  ])('a body that is %s', (_, body, field, message) => {
    expect(parse(body)).toEqual({
      ...{ kind: 'issues', count: 1 },
      issues: [{ item: null, field, message: expect.stringMatching(message) }],
    });
  });

  test('everything that is wrong is said at once, and nothing is taken', () => {
    const parsed = parse({ feedback: [{ ...good, metric: 'X', value: 'y' }, good, 7, { ...good, id: '' }] });
    expect(parsed).toMatchObject({ kind: 'issues', count: 4 });
    const places = parsed.kind === 'issues' ? parsed.issues.map(({ item, field }) => [item, field]) : [];
    expect(places).toEqual([
      [0, 'metric'],
      [0, 'value'],
      [2, null],
      [3, 'id'],
    ]);
  });
});
