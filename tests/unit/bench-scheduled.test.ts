import { describe, expect, test } from 'vitest';
import { type Answer, createAnswerReader, MalformedAnswerError } from '../../bench/load/scheduled/answer-reader.ts';
import { createHistogram } from '../../bench/load/scheduled/histogram.ts';
import { dueAtMs, dueBy, gapMs, type Pace, totalOf } from '../../bench/load/scheduled/plan.ts';
import { createTally } from '../../bench/load/scheduled/tally.ts';

const constant: Pace = { kind: 'constant', requestsPerS: 300 };
const bursts: Pace = { kind: 'bursts', requests: 100, everyMs: 100 };

describe('schedule', () => {
  test.each([constant, bursts])('what is due by a moment is due at or before it: $kind', (pace) => {
    for (const index of [0, 1, 99, 100, 101, 250, 299]) {
      const atMs = dueAtMs(pace, index);
      expect(dueBy(pace, atMs)).toBeGreaterThan(index);
      expect(dueBy(pace, atMs - 0.01)).toBeLessThanOrEqual(index);
    }
  });

  test('a run has what is due before its end', () => {
    expect(totalOf(constant, 2)).toBe(600);
    expect(dueAtMs(constant, 599)).toBeLessThan(2_000);
    expect(totalOf(bursts, 1)).toBe(1_000);
    expect(dueAtMs(bursts, 999)).toBe(900);
    expect(dueBy(bursts, -1)).toBe(0);
    expect([gapMs({ kind: 'constant', requestsPerS: 500 }), gapMs(bursts)]).toEqual([2, 100]);
  });
});

describe('histogram', () => {
  test('percentiles within 1 % of the exact ones', () => {
    const histogram = createHistogram();
    for (let index = 1; index <= 10_000; index++) histogram.add(index / 100);
    for (const share of [0.5, 0.9, 0.99, 0.999]) {
      const exact = share * 100;
      expect(histogram.percentileMs(share)).toBeGreaterThanOrEqual(exact);
      expect(histogram.percentileMs(share)).toBeLessThan(exact * 1.01);
    }
    expect(histogram.maxMs).toBe(100);
    expect(histogram.percentileMs(1)).toBe(100);
  });

  test('nothing, less than it can tell, more than it can hold', () => {
    expect(createHistogram().percentileMs(0.5)).toBeNaN();
    const histogram = createHistogram();
    histogram.add(-1);
    histogram.add(1e9);
    expect(histogram.count).toBe(2);
    expect(histogram.percentileMs(0.5)).toBeLessThan(0.0011);
    expect(histogram.maxMs).toBe(1e9);
  });
});

describe('tally', () => {
  test('a request counts from the moment it was due, however late it went out', () => {
    const tally = createTally({ kind: 'constant', requestsPerS: 1 }, 5);
    tally.sentByClock(0, 3);
    tally.settle(0, 200, 10);
    tally.settle(1, 200, 1_500);
    tally.settle(2, 503, 2_001);
    tally.settle(3, null, 3_001);
    const result = tally.finish(4, [], 7_000);
    expect(result).toMatchObject({ scheduled: 5, sent: 4, answered: 2, refused: 1, failed: 1, unanswered: 1 });
    expect(result.answeredPerS).toBe(0.4);
    expect(result.latenessP99Ms).toBeCloseTo(3, 1);
    // The fifth was never sent: its age counts.
    expect(result.maxMs).toBe(3_000);
  });

  test('an answer after the end is one, but not within the run', () => {
    const tally = createTally({ kind: 'constant', requestsPerS: 2 }, 1);
    tally.settle(0, 200, 1);
    tally.settle(1, 200, 1_001);
    expect(tally.finish(2, [], 1_002)).toMatchObject({ answered: 2, answeredPerS: 1, unanswered: 0 });
  });
});

describe('reader of answers', () => {
  const read = (bytes: string, step: number): Answer[] => {
    const answers: Answer[] = [];
    const reader = createAnswerReader((answer) => answers.push({ status: answer.status, last: answer.last }));
    const all = Buffer.from(bytes);
    for (let at = 0; at < all.length; at += step) reader.push(all.subarray(at, at + step));
    expect(reader.idle).toBe(true);
    return answers;
  };
  const two =
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
    '3;a=b\r\n\r\n0\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n';

  test.each([1, 2, 7, 10_000])('lengths and chunks, in pieces of %i bytes', (step) => {
    expect(read(two, step)).toEqual([
      { status: 200, last: false },
      { status: 503, last: true },
    ]);
  });

  test.each([
    'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: one\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n',
    'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
  ])('refuses %j', (bytes) => {
    const reader = createAnswerReader(() => undefined);
    expect(() => reader.push(Buffer.from(bytes))).toThrow(MalformedAnswerError);
  });
});
