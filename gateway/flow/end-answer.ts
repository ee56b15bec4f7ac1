import type { ServerResponse } from 'node:http';

/** Beyond this, copying costs more than a write of several buffers. */
const MAX_TEXT_BYTES = 16_384;

/**
 * Ends an answer. What the caller's connection does not take at once gets a deadline, which progress extends: nobody may
 * hold a connection and its memory by not reading.
 */
export function endAnswer(outgoing: ServerResponse, last: Buffer | null, stalledReaderMs: number): void {
  if (last === null) outgoing.end();
  // Node sends head and body in one write when both are text, in a slower one of several buffers otherwise.
  else if (last.length <= MAX_TEXT_BYTES) outgoing.end(last.toString('latin1'), 'latin1');
  else outgoing.end(last);
  limitStall(outgoing, stalledReaderMs);
}

/** Closes the connection when it makes no progress for so long, if anything waits to be sent. */
export function limitStall(outgoing: ServerResponse, stalledReaderMs: number): void {
  if ((outgoing.socket?.writableLength ?? 0) > 0) outgoing.setTimeout(stalledReaderMs, () => outgoing.destroy());
}
