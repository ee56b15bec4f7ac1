import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { html, prose } from '#control-plane/docs/html.ts';
import { parseIdempotencyKey, parseIfMatch, requireMatch } from '#control-plane/http/preconditions.ts';
import { validate } from '#control-plane/http/validate.ts';
import { decodeCursor, encodeCursor, toPage } from '#control-plane/paging.ts';
import { Problem } from '#control-plane/problem.ts';

const issuesOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error.issues;
    throw error;
  }
  return [];
};

describe('preconditions', () => {
  test.each([
    [undefined, true],
    ['*', true],
    ['"3"', true],
    ['"2", "3"', true],
    ['"2"', false],
    ['W/"3"', false],
    ['3', false],
    ['', false],
  ])('If-Match %j at version 3: %j', (header, allowed) => {
    const check = () => requireMatch(parseIfMatch(header), 3);
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow(/version 3/);
  });

  test('idempotency keys are short and printable', () => {
    expect(parseIdempotencyKey(undefined)).toBeUndefined();
    expect(parseIdempotencyKey('x'.repeat(255))).toHaveLength(255);
    for (const bad of ['', 'a b', 'x'.repeat(256), 'é']) {
      expect(issuesOf(() => parseIdempotencyKey(bad))).toMatchObject([{ field: 'Idempotency-Key' }]);
    }
  });
});

describe('validation', () => {
  const schema = z.strictObject({ list: z.array(z.strictObject({ n: z.int().max(3) })).optional() });

  test.each([
    [{ list: [{ n: 1 }, { n: 9 }] }, 'list[1].n'],
    [{ list: [{ n: 1, x: 1 }] }, 'list[0].x'],
    [{ y: 1 }, 'y'],
    [{ list: [{}] }, 'list[0].n'],
    [[], 'body'],
    [{ list: [{ n: 'a\0' }] }, 'list[0].n'],
    [{ 'a\0': 1 }, 'body'],
  ])('%j names %s', (value, field) => {
    expect(issuesOf(() => validate(schema, value, ''))[0]?.field).toBe(field);
  });

  test('a named whole stands before its fields', () => {
    expect(issuesOf(() => validate(z.array(z.int()), [1, 'x'], 'weights'))[0]?.field).toBe('weights[1]');
    expect(issuesOf(() => validate(z.array(z.int()), {}, 'weights'))[0]?.field).toBe('weights');
  });

  test('never throws anything but a Problem, whatever JSON comes', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void issuesOf(() => validate(schema, value, ''))));
  });
});

describe('cursors', () => {
  test('come back as they went out', () => {
    fc.assert(
      fc.property(fc.string(), (place) => void expect(decodeCursor(encodeCursor(place), z.string())).toBe(place)),
    );
  });

  test('of nobody are refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const issue of issuesOf(() => decodeCursor(text, z.literal('only this'))))
          expect(issue.field).toBe('cursor');
      }),
    );
  });

  test('stand only behind a full page', () => {
    const page = (rows: number[]) => toPage(rows, 2, String, (row) => row);
    expect(page([1])).toEqual({ items: ['1'], nextCursor: null });
    expect(page([1, 2])).toEqual({ items: ['1', '2'], nextCursor: null });
    expect(page([1, 2, 3])).toEqual({ items: ['1', '2'], nextCursor: encodeCursor(2) });
    expect(page([])).toEqual({ items: [], nextCursor: null });
  });
});

test('HTML templates escape what is text', () => {
  expect(html`<p>${'<b> & "q"'}</p>${[html`<i>${'x'}</i>`]}`.text).toBe('<p>&lt;b&gt; &amp; &quot;q&quot;</p><i>x</i>');
  expect(html`${prose('see `a<b`')}`.text).toBe('see <code>a&lt;b</code>');
});

test('problems never repeat what an unexpected error said', () => {
  const problem = Problem.from(new Error('relation "secret_table" does not exist'));
  expect(problem).toMatchObject({ code: 'internal' });
  expect(problem.message).not.toContain('secret');
});
