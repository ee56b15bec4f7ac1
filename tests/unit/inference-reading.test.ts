import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { splitCheckpoints } from '#cli/export/checkpoints.ts';
import { parseExportOptions } from '#cli/export/options.ts';
import { createProgress } from '#cli/export/progress.ts';
import { explain, explainMirrored } from '#control-plane/groups/assignment.ts';
import { responseOf } from '#control-plane/inferences/captured.ts';
import { chatAnswerOf, openAiChatOf } from '#control-plane/inferences/chat-answer.ts';
import { csvLine } from '#control-plane/inferences/csv.ts';
import { fingerprintOf } from '#control-plane/inferences/cursor.ts';
import { metadataOf } from '#control-plane/inferences/filter.ts';
import { waterfallOf } from '#control-plane/inferences/waterfall.ts';
import { CUT, missingFacts, packFacts, REDACTED, WHOLE } from '#core/capture-facts.ts';
import { isFoundByKey } from '#store/inference-finding.ts';

const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
const delta = (fields: object, finish: string | null = null) => ({
  choices: [{ index: 0, delta: fields, finish_reason: finish }],
});

const answerOf = (body: string, type: string | null) => chatAnswerOf('openai-chat', body, type);
const whole = (said: object) => ({ said, isWhole: true });

describe('a chat answer', () => {
  test('of a stream is put together: text, refusal and tool calls', () => {
    const call = (index: number, fields: object) => delta({ tool_calls: [{ index, ...fields }] });
    const body = sse(
      delta({ role: 'assistant', content: null }),
      delta({ content: 'Let me ' }),
      delta({ content: 'look.' }),
      call(0, { id: 'call_1', type: 'function', function: { name: 'find', arguments: '' } }),
      call(0, { function: { arguments: '{"q":' } }),
      call(1, { id: 'call_2', type: 'function', function: { name: 'sum', arguments: '{}' } }),
      call(0, { function: { arguments: '1}' } }),
      delta({}, 'tool_calls'),
      '[DONE]',
    );
    const said = {
      role: 'assistant',
      content: 'Let me look.',
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'find', arguments: '{"q":1}' } },
        { id: 'call_2', type: 'function', function: { name: 'sum', arguments: '{}' } },
      ],
    };
    expect(answerOf(body, 'text/event-stream')).toEqual(whole(said));
    // An event that is no JSON may have said more.
    expect(answerOf(body.replace('data: [DONE]', 'data: not json'), null)).toEqual({ said, isWhole: false });
  });

  test('of a stream that was cut is what came, of something else there is none', () => {
    expect(answerOf(sse(delta({ content: 'Hel' })), 'text/event-stream')).toEqual({
      said: { role: 'assistant', content: 'Hel' },
      isWhole: false,
    });
    for (const body of [
      '',
      '[]',
      '{"choices":[]}',
      '{"choices":[{"message":{}}]}',
      '{',
      `${'['.repeat(99_999)}${']'.repeat(99_999)}`,
    ]) {
      expect(answerOf(body, 'application/json')).toBeUndefined();
    }
    const deep = `{"choices":[{"message":{"role":"assistant","content":${'['.repeat(9_999)}${']'.repeat(9_999)}}}]}`;
    expect(answerOf(deep, null)).toBeUndefined();
  });

  test('line ends and comments are those of event streams', () => {
    const body = `: hi\r\n\r\ndata:${JSON.stringify(delta({ content: 'a' }))}\r\n\r\nevent: x\rdata: ${JSON.stringify(delta({ content: 'b' }, 'stop'))}\r\r`;
    expect(answerOf(body, 'text/event-stream')).toMatchObject({ said: { content: 'ab' } });
  });

  test('a conversation with its answer, or none', () => {
    const answer = whole({ role: 'assistant', content: 'y' });
    expect(openAiChatOf('openai-chat', '{"messages":[{"role":"user","content":"x"}],"tools":[1]}', answer)).toEqual({
      messages: [{ role: 'user', content: 'x' }, answer.said],
      tools: [1],
    });
    for (const body of ['', '{}', '{"messages":[]}', '{"messages":[1]}', '{"messages":"x"}'])
      expect(openAiChatOf('openai-chat', body, answer)).toBeUndefined();
    expect(openAiChatOf('oip', '{}', answer)).toBeUndefined();
    expect(openAiChatOf('toString', '{}', answer)).toBeUndefined();
  });
});

test('what was kept is whole, redacted or the beginning', () => {
  const json = Buffer.from('{"a":1}');
  const side = (facts: number | undefined, response: Buffer | null = json, bytes = 7, sha256: Buffer | null = null) =>
    responseOf(
      { request_bytes: 0, response_bytes: bytes, capture_facts: packFacts(WHOLE, facts) },
      { request: null, request_sha256: null, response, response_sha256: sha256 },
    );
  const kept = { kind: 'kept', isWhole: true, isRedacted: false, cutBy: [] };
  expect(side(WHOLE)).toMatchObject({ ...kept, sha256: createHash('sha256').update(json).digest() });
  // Of the same length as what was sent, and yet not that.
  expect(side(REDACTED)).toMatchObject({ ...kept, isRedacted: true, sha256: null });
  // Parses, and yet is not all.
  const cut = { ...kept, isWhole: false, isRedacted: true, cutBy: ['reassembly'], sha256: null };
  expect(side(REDACTED | CUT.reassembly, json, 20)).toMatchObject(cut);
  expect(side(CUT.interrupted)).toMatchObject({ ...kept, isWhole: false, cutBy: ['interrupted'], sha256: null });
  expect(side(missingFacts('spool_full'), null)).toEqual({ kind: 'missing', why: 'spool_full', sha256: null });
  const digest = Buffer.alloc(32);
  expect(side(missingFacts('spool_full'), null, 7, digest)).toMatchObject({ kind: 'missing', sha256: digest });
  // What was kept is gone.
  expect(side(WHOLE, null)).toMatchObject({ kind: 'missing', why: null });
  // Rows of a release that did not say: by their lengths.
  expect(side(undefined)).toMatchObject({ ...kept, sha256: expect.any(Buffer) });
  expect(side(undefined, json, 20)).toMatchObject({ ...kept, isRedacted: true, sha256: null });
  expect(side(undefined, json, 20, digest)).toMatchObject({ isWhole: false, cutBy: ['limit'], sha256: digest });
  expect(side(undefined, json.subarray(0, 5), 20)).toMatchObject({ isWhole: false, cutBy: null, sha256: null });
  expect(side(undefined, null)).toMatchObject({ kind: 'missing', why: null });
  const redacted = '{"choices":[{"message":{"role":"assistant","content":"[redacted:email]"}}]}';
  expect(answerOf(redacted, 'text/event-stream')).toEqual(whole({ role: 'assistant', content: '[redacted:email]' }));
});

test('csv cells', () => {
  expect(csvLine(['a', null, 1, -1, true, ''])).toBe('a,,1,-1,true,\r\n');
  expect(csvLine(['=1', '+1', '-1', '@x', '\tx', '\rx'])).toBe("'=1,'+1,'-1,'@x,'\tx,\"'\rx\"\r\n");
  expect(csvLine(['\n=1', '＝1', '＋1', '－1', '＠x', 'a＝'])).toBe("\"'\n=1\",'＝1,'＋1,'－1,'＠x,a＝\r\n");
  expect(csvLine(['a"b', 'a,b', 'a\nb', ' =1'])).toBe('"a""b","a,b","a\nb", =1\r\n');
});

test('a fingerprint tells filters and orders apart, and not pages', () => {
  const of = (query: object) => fingerprintOf(query as Record<string, unknown>);
  expect(of({ group: 'a', limit: 5, cursor: 'x' })).toBe(of({ limit: 9, group: 'a', unit: undefined }));
  const different = [
    {},
    { group: 'a' },
    { group: 'b' },
    { variant: 'a' },
    { order: 'asc' },
    { 'metadata.a': 'b' },
    { metadata: '{"a":"b"}' },
  ];
  expect(new Set(different.map(of)).size).toBe(different.length);
});

test('metadata of a query', () => {
  const of = (query: Record<string, unknown>) => metadataOf(query as Parameters<typeof metadataOf>[0]);
  expect(of({})).toBeUndefined();
  expect(of({ 'metadata.a.b': 'c', metadata: '{"d":1}' })).toEqual({ 'a.b': 'c', d: 1 });
  for (const metadata of ['', '1', 'null', '[]', '"x"', '{"a":"\\ud800"}'])
    expect(() => of({ metadata })).toThrow('metadata');
});

test('an assignment in words', () => {
  const row = { bucket: 4711, range: [0, 9000], variant: 'small', role: 'champion', experiment: null } as const;
  expect(explain(row, null)).toBe('bucket 4711 < 9000 → champion small');
  expect(explain({ ...row, range: [4000, 9000], role: null }, null)).toBe('4000 ≤ bucket 4711 < 9000 → small');
  expect(explain({ ...row, experiment: { id: 'e', phase: 2, arm: 1 } }, 'e')).toBe(
    'bucket 4711 < 9000 → champion small; counts as arm 1 in phase 2 of experiment e',
  );
  expect(explain(row, 'e')).toBe(
    'bucket 4711 < 9000 → champion small; outside of the buckets that experiment e compares',
  );
});

test('a mirrored call in words: the place is its original’s, and it counts in no arm', () => {
  const row = { bucket: 4711, range: [4000, 9000], variant: 'large', role: 'shadow', experiment: null } as const;
  expect(explainMirrored(row, 'i')).toBe('mirrors inference i (4000 ≤ bucket 4711 < 9000) at shadow large');
  expect(explainMirrored({ ...row, experiment: { id: 'e', phase: 2, arm: 1 } }, 'i')).toBe(
    'mirrors inference i (4000 ≤ bucket 4711 < 9000) at shadow large; compared as arm 1 in phase 2 of experiment e, and counted in no arm',
  );
});

describe('a waterfall', () => {
  const attempt = { provider: 'p', model: 'm', upstreamModel: 'u', status: 200, errorCode: null, requestId: null };
  test('follows each attempt from queue to finish', () => {
    const attempts = [
      { ...attempt, startNs: 1e6, connectNs: 2e6, firstByteNs: null, endNs: 10e6 },
      { ...attempt, startNs: 11e6, connectNs: 1e6, firstByteNs: 20e6, endNs: 50e6 },
    ];
    const spans = waterfallOf({ queue_ns: 1e6, first_token_ns: 25e6, total_ns: 51e6 }, attempts);
    expect(spans.map(({ name, attempt: of, startMs, endMs }) => [name, of, startMs, endMs])).toEqual([
      ['queue', null, 0, 1],
      ['connect', 0, 1, 3],
      ['stream', 0, 3, 10],
      ['connect', 1, 11, 12],
      ['first_byte', 1, 12, 20],
      ['first_token', 1, 20, 25],
      ['stream', 1, 25, 50],
      ['finish', null, 50, 51],
    ]);
  });

  test('of what never was sent', () => {
    expect(waterfallOf({ queue_ns: null, first_token_ns: null, total_ns: 2e6 }, [])).toEqual([
      { name: 'finish', attempt: null, startMs: 0, endMs: 2 },
    ]);
  });
});

describe('ringside export', () => {
  test('options become parameters', () => {
    expect(
      parseExportOptions(['--group', 'a', '--cost-from-micro-usd', '5', '--format', 'csv', '--out', 'x', '--resume']),
    ).toEqual({
      query: { format: 'csv', group: 'a', costFromMicroUsd: '5' },
      out: 'x',
      resume: true,
      json: false,
    });
    expect(parseExportOptions(['-h'])).toBeNull();
    for (const args of [[], ['--out', ''], ['--out', 'x', '--format', 'y'], ['--out', 'x', '--nope'], ['x']]) {
      expect(() => parseExportOptions(args)).toThrow();
    }
  });

  test('checkpoints are taken out wherever the stream is cut into chunks', async () => {
    const word = 'w'.repeat(20);
    const point = (rows: number, done: boolean) =>
      `\u001e${word} ${JSON.stringify({ after: null, at: null, rows, skipped: 0, done })}\n`;
    const text = `one\ntwo\n${point(2, false)}\u001enot one\nthree\n${point(3, true)}`;
    for (const size of [1, 2, 7, 25, 1_000]) {
      const data: string[] = [];
      const rows: number[] = [];
      for await (const piece of splitCheckpoints(chunksOf(Buffer.from(text), size), word)) {
        if (piece.kind === 'data') data.push(piece.bytes.toString());
        else rows.push(piece.checkpoint.rows);
      }
      expect(data.join('')).toBe('one\ntwo\n\u001enot one\nthree\n');
      expect(rows).toEqual([2, 3]);
    }
  });

  test('progress is in place on a terminal and now and then elsewhere', () => {
    let now = 0;
    const written: string[] = [];
    const make = (isTTY: boolean) =>
      createProgress({ isTTY, write: (text) => written.push(text) }, () => now, Date.parse('2030-01-01T00:00:00Z'));
    const file = make(false);
    file.report(1, 10, '2030-01-03T00:00:00Z');
    expect(written).toEqual([]);
    now = 6_000;
    file.report(600, 2_000_000, '2030-01-02T00:00:00Z');
    expect(written).toEqual(['600 rows, 2.0 MB, 100 rows/s, back to 2030-01-02T00:00:00Z (50 %)\n']);
    const terminal = make(true);
    terminal.report(1, 10, null);
    terminal.end();
    expect(written.slice(1)).toEqual(['\r\u001b[K1 rows, 0.0 MB, 1000 rows/s', '\n']);
  });
});

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('leaving mirrored calls out of a list over many groups does not change how its rows are found', () => {
  const groupIds = ['a', 'b'];
  expect(isFoundByKey({ groupIds })).toBe(true);
  expect(isFoundByKey({ groupIds, shadow: false })).toBe(true);
  expect(isFoundByKey({ groupIds, shadow: true })).toBe(false);
  expect(isFoundByKey({ groupIds, shadow: false, streamed: true })).toBe(false);
});
