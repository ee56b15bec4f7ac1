import { RingsideError } from '#core/errors.ts';
import type { Exchange, FlowDeps } from './ports.ts';

const EMPTY = Buffer.alloc(0);
/** The least memory for a body that comes in pieces; many small ones must not make it grow often. */
const MIN_GATHERED_BYTES = 4_096;
/**
 * Memory is taken for so many times the bytes that came, at most for what can come. Where a length is announced a megabyte is
 * taken with its second piece and copied once; not before, or a few callers who announce much and send little would
 * spend the budget.
 */
const GROWTH_ANNOUNCED = 8;
const GROWTH = 2;

/** What reading a body needs of a request under way. */
export type BodyHolder = Pick<Exchange, 'incoming' | 'ended' | 'heldBytes' | 'gathered'>;
export type BodyDeps = Pick<FlowDeps, 'bodyBudget' | 'bodyPool' | 'maxBodyBytes'>;

/**
 * Reads the request body within the per-request cap and the budget that all workers share, and hands it to `done`, or says why
 * not; once. What was taken from the budget is kept in `exchange.heldBytes` until `releaseBody`.
 */
export function readBody(
  deps: BodyDeps,
  exchange: BodyHolder,
  done: (body: Buffer) => void,
  refuse: (error: RingsideError) => void,
): void {
  const { incoming } = exchange;
  const announced = Number(incoming.headers['content-length'] ?? 0);
  const refusal = checkHead(deps, announced, incoming.headers['content-encoding']);
  if (refusal !== null) return refuse(refusal);
  // All of a small body, as a rule. The listeners outlive the call's start, so that it is let go of when it is not needed.
  let first: Buffer = EMPTY;
  let bytes = 0;
  const stop = (error: RingsideError) => {
    incoming.removeListener('data', onData);
    incoming.removeListener('end', onEnd);
    first = EMPTY;
    refuse(error);
  };
  // hot
  const onData = (chunk: Buffer) => {
    // A caller who left: the body's memory and its part of the budget are given back already.
    if (exchange.ended) return;
    const from = bytes;
    bytes += chunk.length;
    if (bytes > deps.maxBodyBytes) return stop(tooLarge(deps));
    if (from === 0) {
      if (!deps.bodyBudget.take(chunk.length)) return stop(budgetSpent());
      exchange.heldBytes = chunk.length;
      first = chunk;
    } else {
      if (!gather(deps, exchange, first, from, chunk, announced)) return stop(budgetSpent());
      first = EMPTY;
    }
  };
  const onEnd = () => {
    if (exchange.ended) return;
    const body = exchange.gathered?.subarray(0, bytes) ?? first;
    first = EMPTY;
    done(body);
  };
  incoming.on('data', onData);
  incoming.on('end', onEnd);
  incoming.on('error', () => stop(new RingsideError('client_closed', 'The caller closed the connection.')));
}

/** What the head alone says against the body. */
function checkHead(deps: BodyDeps, announced: number, encoding: string | undefined): RingsideError | null {
  if (announced > deps.maxBodyBytes) return tooLarge(deps);
  if (encoding === undefined || encoding === 'identity') return null;
  const message = `The content encoding "${encoding}" is not supported; send the body uncompressed.`;
  return new RingsideError('bad_request', message, { status: 415, param: 'content-encoding' });
}

function budgetSpent(): RingsideError {
  return new RingsideError('overloaded', 'The gateway holds as many request bytes as it may; try again.', {
    retryAfterSeconds: 1,
  });
}

/**
 * Copies a later piece behind the `from` bytes so far, at once: a piece of one byte would otherwise keep 200 bytes of heap that
 * the budget does not see. False when the memory for it is not in the budget.
 */
function gather(
  deps: BodyDeps,
  exchange: BodyHolder,
  first: Buffer,
  from: number,
  chunk: Buffer,
  announced: number,
): boolean {
  const needed = from + chunk.length;
  const roomy = exchange.gathered !== null && needed <= exchange.gathered.length;
  if (!roomy && !grow(deps, exchange, exchange.gathered ?? first, needed, announced)) return false;
  exchange.gathered!.set(chunk, from);
  return true;
}

/** Moves to memory that has room for more; false when that is not in the budget. */
function grow(deps: BodyDeps, exchange: BodyHolder, soFar: Buffer, needed: number, announced: number): boolean {
  const wanted = Math.max(needed * (announced === 0 ? GROWTH : GROWTH_ANNOUNCED), MIN_GATHERED_BYTES);
  const size = deps.bodyPool.sizeFor(Math.min(wanted, announced === 0 ? deps.maxBodyBytes : announced));
  if (!deps.bodyBudget.take(size - exchange.heldBytes)) return false;
  exchange.heldBytes = size;
  const memory = deps.bodyPool.take(size);
  memory.set(soFar);
  if (exchange.gathered !== null) deps.bodyPool.give(exchange.gathered);
  exchange.gathered = memory;
  return true;
}

/**
 * Gives the body's memory back when its record is written; not while an upstream call still reads it (an answer that ended
 * before its request did), then the garbage collector has it.
 */
export function recycleBody(deps: BodyDeps, exchange: BodyHolder & Pick<Exchange, 'attempt'>): void {
  if (exchange.gathered !== null && exchange.attempt?.ended !== false) deps.bodyPool.give(exchange.gathered);
  exchange.gathered = null;
}

/** Gives back what the body took from the shared budget. */
export function releaseBody(deps: BodyDeps, exchange: BodyHolder): void {
  if (exchange.heldBytes === 0) return;
  deps.bodyBudget.give(exchange.heldBytes);
  exchange.heldBytes = 0;
}

function tooLarge(deps: BodyDeps): RingsideError {
  return new RingsideError('body_too_large', `The request body is larger than ${deps.maxBodyBytes} bytes.`);
}
