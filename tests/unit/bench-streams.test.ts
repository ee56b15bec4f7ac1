import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../bench/load/streams/chunked-decoder.ts';
import {
  burstText,
  lastEvents,
  ROLE_EVENT,
  readEvent,
  readPace,
  tokenEvent,
  writePace,
} from '../../bench/load/streams/event.ts';
import { readFileLimit, streamsWithin } from '../../bench/load/streams/file-limit.ts';
import { spreadOf, Tally } from '../../bench/load/streams/tally.ts';
import { TimerWheel } from '../../bench/load/streams/timer-wheel.ts';

describe('events of the paced streams', () => {
  test('a pace comes back out of a request, however the request is written', () => {
    const paced = { kind: 'paced', tokens: 20, gapMs: 200, firstMs: 50 } as const;
    const burst = { kind: 'burst', tokens: 200 } as const;
    for (const pace of [paced, burst]) {
      const request = { messages: [{ role: 'user', content: writePace(pace) }] };
      expect(readPace(JSON.stringify(request))).toEqual(pace);
      expect(readPace(JSON.stringify(request, null, 2))).toEqual(pace);
    }
    expect(readPace('{"messages":[]}')).toBeNull();
  });

  test('a token carries its figures, also when a gateway has written the event anew', () => {
    const event = tokenEvent(7, 1_234_567_890_123, 1_234_000_000_000);
    const figures = { kind: 'token', sequence: 7, sentNs: 1_234_567_890_123, arrivedNs: 1_234_000_000_000 };
    const before = 'data: {}\n\n';
    expect(readEvent(before + event, before.length, before.length + event.length)).toEqual(figures);
    const { choices, ...others } = JSON.parse(event.slice('data: '.length)) as Record<string, unknown>;
    const anew = `data: ${JSON.stringify({ choices, ...others })}`;
    expect(readEvent(before + anew, before.length, before.length + anew.length)).toEqual(figures);
  });

  test('what is no token is told apart', () => {
    const kind = (text: string) => readEvent(text, 0, text.length).kind;
    expect(kind(ROLE_EVENT)).toBe('other');
    expect(kind('data: [DONE]')).toBe('done');
    expect(kind('data: {"error":{"message":"no"}}')).toBe('error');
  });

  test('a burst is valid events, with the usage only when it was asked for', () => {
    const events = burstText(3, true).trimEnd().split('\n\n');
    expect(events).toHaveLength(7);
    expect(events.at(-1)).toBe('data: [DONE]');
    const parsed = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)) as { usage?: unknown });
    expect(parsed.at(-1)?.usage).toEqual({ prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 });
    expect(lastEvents(3, false)).not.toContain('usage');
  });
});

describe('timer wheel', () => {
  const fired = (wheel: TimerWheel<string>, nowMs: number) => {
    const items: [string, number][] = [];
    wheel.advance(nowMs, (item, dueMs) => items.push([item, dueMs]));
    return items;
  };

  test('fires in the order of the deadlines, once, also after a late turn and around the ring', () => {
    const wheel = new TimerWheel<string>(8, 100);
    wheel.add('late', 106);
    wheel.add('early', 103);
    wheel.add('passed', 90);
    expect(fired(wheel, 102)).toEqual([['passed', 101]]);
    wheel.add('around', 109);
    expect(fired(wheel, 120)).toEqual([
      ['early', 103],
      ['late', 106],
      ['around', 109],
    ]);
    expect(fired(wheel, 200)).toEqual([]);
  });

  test('what is added while it fires keeps its pace', () => {
    const wheel = new TimerWheel<string>(8, 0);
    const dues: number[] = [];
    wheel.add('again', 2);
    wheel.advance(9, (item, dueMs) => {
      dues.push(dueMs);
      wheel.add(item, dueMs + 3);
    });
    expect(dues).toEqual([2, 5, 8]);
  });

  test('refuses a deadline beyond one turn', () => {
    expect(() => new TimerWheel<string>(8, 0).add('far', 8)).toThrow(RangeError);
  });
});

describe('chunked decoder', () => {
  const decode = (decoder: ChunkedDecoder, wire: Buffer, cuts: readonly number[]) => {
    let payload = '';
    let ended = false;
    const edges = [0, ...cuts.toSorted((a, b) => a - b), wire.length];
    for (let index = 1; index < edges.length; index++) {
      ended = decoder.push(wire.subarray(edges[index - 1], edges[index]), (piece) => {
        payload += piece.toString('latin1');
      });
    }
    return { payload, ended };
  };

  test('takes the framing off, wherever the wire is cut, and is ready for the next body', () => {
    const body = fc.record({
      chunks: fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      cuts: fc.array(fc.nat(400), { maxLength: 8 }),
      extension: fc.constantFrom('', ';name=abc'),
    });
    fc.assert(
      fc.property(fc.array(body, { minLength: 1, maxLength: 3 }), (bodies) => {
        const decoder = new ChunkedDecoder();
        for (const { chunks, cuts, extension } of bodies) {
          const framed = chunks.map((chunk) => `${chunk.length.toString(16)}${extension}\r\n${chunk}\r\n`);
          const wire = Buffer.from(`${framed.join('')}0\r\n\r\n`, 'latin1');
          const within = cuts.filter((cut) => cut > 0 && cut < wire.length);
          expect(decode(decoder, wire, within)).toEqual({ payload: chunks.join(''), ended: true });
        }
      }),
    );
  });

  test('refuses what is not chunked', () => {
    expect(() => new ChunkedDecoder().push(Buffer.from('xyz\r\n'), () => undefined)).toThrow(/size of a chunk/);
    expect(() => new ChunkedDecoder().push(Buffer.from('1\r\nabc'), () => undefined)).toThrow(/end of a chunk/);
    expect(() => new ChunkedDecoder().push(Buffer.from('0\r\n\r\nHTTP'), () => undefined)).toThrow(/behind the end/);
  });
});

describe('figures of the streams', () => {
  test('only what lies in the window is counted', () => {
    const tally = new Tally();
    tally.token(5e6, null);
    tally.firstToken(10, 9e6);
    tally.openWindow(1_000_000_000);
    tally.token(1e6, null);
    tally.token(3e6, 1e6);
    tally.firstToken(999_999_999, 9e6);
    tally.firstToken(1_000_000_001, 4e6);
    tally.ended = 4;
    const result = tally.result(3_000_000_000, 1);
    expect(result).toMatchObject({ events: 2, eventsPerS: 1, endedPerS: 2, open: 1 });
    expect(result.transit).toEqual({ count: 2, p50Ms: 1, p99Ms: 3, maxMs: 3 });
    expect(result.gap).toEqual({ count: 1, p50Ms: 2, p99Ms: 2, maxMs: 2 });
    expect(result.firstToken).toMatchObject({ count: 1, p99Ms: 4 });
    expect(spreadOf([]).p99Ms).toBeNaN();
  });

  test('streams that a limit of open files allows', () => {
    const limits = 'Limit    Soft Limit   Hard Limit   Units\nMax open files            1024      20000     files\n';
    expect(readFileLimit(limits)).toBe(20_000);
    expect(streamsWithin(20_000)).toBe(9_900);
    expect(readFileLimit('Max open files     1024      unlimited     files')).toBe(Number.POSITIVE_INFINITY);
  });
});
