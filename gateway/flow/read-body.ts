import { RingsideError } from '#core/errors.ts';
import type { Exchange, FlowDeps } from './ports.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Reads the request body within the per-request cap and the budget that all workers share, and hands it to `done`, or says why
 * not; once. What was taken from the budget is kept in `exchange.heldBytes` until `releaseBody`.
 */
export function readBody(
  deps: FlowDeps,
  exchange: Exchange,
  done: (body: Buffer) => void,
  refuse: (error: RingsideError) => void,
): void {
  const { incoming } = exchange;
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > deps.maxBodyBytes) return refuse(tooLarge(deps));
  const encoding = incoming.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    const message = `The content encoding "${encoding}" is not supported; send the body uncompressed.`;
    return refuse(new RingsideError('bad_request', message, { status: 415, param: 'content-encoding' }));
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (error: RingsideError) => {
    incoming.removeListener('data', onData);
    incoming.removeListener('end', onEnd);
    refuse(error);
  };
  // hot
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > deps.maxBodyBytes) return stop(tooLarge(deps));
    if (!deps.bodyBudget.take(chunk.length)) return stop(budgetSpent());
    exchange.heldBytes += chunk.length;
    chunks.push(chunk);
  };
  const onEnd = () => done(chunks.length === 1 ? chunks[0]! : gather(deps, exchange, chunks, bytes));
  incoming.on('data', onData);
  incoming.on('end', onEnd);
  incoming.on('error', () => stop(new RingsideError('client_closed', 'The caller closed the connection.')));
}

function budgetSpent(): RingsideError {
  return new RingsideError('overloaded', 'The gateway holds as many request bytes as it may; try again.', {
    retryAfterSeconds: 1,
  });
}

/** One buffer for a body that came in pieces, filled to its last byte. */
function gather(deps: FlowDeps, exchange: Exchange, chunks: readonly Buffer[], bytes: number): Buffer {
  if (bytes === 0) return EMPTY;
  const body = deps.bodyPool.take(bytes);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  exchange.gathered = body;
  return body;
}

/**
 * Gives the body's memory back when its record is written; not while an upstream call still reads it (an answer that ended
 * before its request did), then the garbage collector has it.
 */
export function recycleBody(deps: FlowDeps, exchange: Exchange): void {
  if (exchange.gathered !== null && exchange.attempt?.ended !== false) deps.bodyPool.give(exchange.gathered);
  exchange.gathered = null;
}

/** Gives back what the body took from the shared budget. */
export function releaseBody(deps: FlowDeps, exchange: Exchange): void {
  if (exchange.heldBytes === 0) return;
  deps.bodyBudget.give(exchange.heldBytes);
  exchange.heldBytes = 0;
}

function tooLarge(deps: FlowDeps): RingsideError {
  return new RingsideError('body_too_large', `The request body is larger than ${deps.maxBodyBytes} bytes.`);
}
