import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CAPTURED_BODY_BYTES, createJournal } from '#simulator/journal.ts';

const head = { atMs: 0, method: 'POST', path: '/v1/x', query: '', rawHeaders: ['X-One', '1', 'x-one', '2'] };

function filled(capacity: number, count: number) {
  const journal = createJournal(capacity);
  for (let made = 0; made < count; made++) {
    journal.setModel(journal.open(head), made % 2 === 0 ? 'even' : 'odd', false);
  }
  return journal;
}

describe('the journal', () => {
  test('forgets the oldest items but counts them', () => {
    const page = filled(4, 10).read();
    expect(page.items.map(({ sequence }) => sequence)).toEqual([7, 8, 9, 10]);
    expect(page).toMatchObject({ total: 10, byModel: { even: 5, odd: 5 }, byPath: { '/v1/x': 10 } });
  });

  test('gives the last items, the first ones after a sequence, or those of a model', () => {
    const journal = filled(100, 10);
    const sequences = (query: Parameters<typeof journal.read>[0]) =>
      journal.read(query).items.map(({ sequence }) => sequence);
    expect(sequences({ limit: 2 })).toEqual([9, 10]);
    expect(sequences({ since: 3, limit: 2 })).toEqual([4, 5]);
    expect(sequences({ model: 'odd', since: 4 })).toEqual([6, 8, 10]);
    expect(sequences({ limit: 0 })).toEqual([]);
  });

  test('is empty after a clear and does not reuse sequences', () => {
    const journal = filled(4, 10);
    journal.clear();
    expect(journal.read()).toEqual({ total: 0, byModel: {}, byPath: {}, items: [] });
    expect(journal.open(head).sequence).toBe(11);
  });

  test.each([0, 10, CAPTURED_BODY_BYTES, CAPTURED_BODY_BYTES + 1])('hashes a body of %i bytes whole', (bytes) => {
    const journal = createJournal();
    const body = Buffer.alloc(bytes, 'ab');
    journal.setBody(journal.open(head), body);
    const [item] = journal.read().items;
    expect(item).toMatchObject({
      bodyBytes: bytes,
      body: body.toString().slice(0, CAPTURED_BODY_BYTES),
      bodySha256: createHash('sha256').update(body).digest('hex'),
      headers: { 'x-one': '1, 2' },
      aborted: false,
      completed: false,
    });
  });
});
