import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import type { Exchange, FlowDeps } from '#gateway/flow/ports.ts';
import { readBody, recycleBody, releaseBody } from '#gateway/flow/read-body.ts';

const MAX_BODY = 4_000_000;

/** A request whose body the test sends piece by piece. */
function start(announced: number | null = null, budgetBytes = Number.POSITIVE_INFINITY) {
  const incoming = Object.assign(new EventEmitter(), {
    headers: announced === null ? {} : { 'content-length': String(announced) },
  });
  const budget = { held: 0 };
  const exchange = { incoming, heldBytes: 0, gathered: null, attempt: null, ended: false } as unknown as Exchange;
  const bodyPool = createBodyPool(16_000_000);
  const bodyBudget = {
    take: (bytes: number) => {
      if (budget.held + bytes > budgetBytes) return false;
      budget.held += bytes;
      return true;
    },
    give: (bytes: number) => {
      budget.held -= bytes;
    },
  };
  const deps = { maxBodyBytes: MAX_BODY, bodyPool, bodyBudget } as unknown as FlowDeps;
  const outcome: { body: Buffer | null; error: string | null } = { body: null, error: null };
  readBody(
    deps,
    exchange,
    (body) => {
      outcome.body = body;
    },
    (error) => {
      outcome.error = error.code;
    },
  );
  const send = (pieces: readonly Buffer[]) => {
    for (const piece of pieces) incoming.emit('data', piece);
  };
  return { deps, exchange, budget, outcome, send, end: () => incoming.emit('end') };
}

function cut(body: Buffer, cuts: readonly number[]): Buffer[] {
  const points = [...cuts.map((point) => point % body.length), body.length].toSorted((a, b) => a - b);
  return points
    .map((to, index) => Buffer.from(body.subarray(points[index - 1] ?? 0, to)))
    .filter((piece) => piece.length > 0);
}

function sendWatched(send: (pieces: readonly Buffer[]) => void, size: number): WeakRef<Buffer>[] {
  const pieces = Array.from({ length: 50 }, () => Buffer.alloc(size, 'x'));
  send(pieces);
  return pieces.map((piece) => new WeakRef(piece));
}

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  // The target of a WeakRef lives to the end of the turn it was made in.
  await new Promise((next) => setImmediate(next));
  (runInNewContext('gc') as () => void)();
}

describe('read body', () => {
  test('is the bytes that were sent, however they are cut, announced or not', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 400_000 }));
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(), { maxLength: 40 }), fc.boolean(), (bytes, cuts, isAnnounced) => {
        const body = Buffer.alloc(bytes, '0123456789abcdefghijklm');
        const { outcome, send, end } = start(isAnnounced ? bytes : null);
        send(cut(body, cuts));
        end();
        expect(outcome.body!.equals(body)).toBe(true);
      }),
    );
  });

  test('one piece is handed on as it came', () => {
    const { outcome, exchange, send, end } = start();
    const piece = Buffer.from('{}');
    send([piece]);
    end();
    expect([outcome.body === piece, exchange.heldBytes, exchange.gathered]).toEqual([true, 2, null]);
  });

  test('the budget is charged what is really held, at most some times what was sent', () => {
    for (const [announced, bytes] of [
      [null, 100_000],
      [1_000_000, 100_000],
      [100_000, 100_000],
      [null, 30_000],
      [3_900_000, 2],
    ] as const) {
      const { exchange, budget, send } = start(announced);
      send(cut(Buffer.alloc(bytes), [1, bytes / 2]));
      const memory = exchange.gathered!.buffer.byteLength;
      expect([exchange.heldBytes, budget.held]).toEqual([memory, memory]);
      // Twice, or eight times when more is announced, in the pool's powers of two.
      expect(memory).toBeLessThan(Math.max(announced === null ? 4 * bytes : 16 * bytes, 4_097));
    }
  });

  test('pieces are let go of as they are copied: the small ones of a slow body, the large ones during the call', async () => {
    for (const size of [1, 60_000]) {
      const { outcome, send, end } = start();
      const pieces = sendWatched(send, size);
      const alive = () => pieces.filter((piece) => piece.deref() !== undefined).length;
      await collectGarbage();
      expect(alive()).toBe(0);
      end();
      expect(outcome.body!.length).toBe(50 * size);
    }
  });

  test('a spent budget and a body past the cap are refused, and nothing stays held', () => {
    for (const [budgetBytes, pieces, code] of [
      [10, [Buffer.alloc(11)], 'overloaded'],
      [1_000_000, Array(20).fill(Buffer.alloc(60_000)), 'overloaded'],
      [Number.POSITIVE_INFINITY, Array(70).fill(Buffer.alloc(60_000)), 'body_too_large'],
    ] as const) {
      const { deps, exchange, budget, outcome, send } = start(null, budgetBytes);
      send(pieces);
      expect(outcome).toEqual({ body: null, error: code });
      releaseBody(deps, exchange);
      recycleBody(deps, exchange);
      expect([budget.held, exchange.gathered]).toEqual([0, null]);
    }
  });

  test('what comes when the exchange is over is not taken', () => {
    const { deps, exchange, budget, outcome, send, end } = start();
    send([Buffer.from('a'), Buffer.from('b')]);
    exchange.ended = true;
    releaseBody(deps, exchange);
    recycleBody(deps, exchange);
    send([Buffer.from('c')]);
    end();
    expect([budget.held, exchange.gathered, outcome.body]).toEqual([0, null, null]);
  });
});
