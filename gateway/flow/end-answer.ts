import type { ServerResponse } from 'node:http';

/**
 * Ends an answer. What the caller's connection does not take at once gets a deadline, which progress extends: nobody may
 * hold a connection and its memory by not reading.
 */
export function endAnswer(outgoing: ServerResponse, last: Buffer | null, stalledReaderMs: number): void {
  if (last === null) outgoing.end();
  else outgoing.end(last);
  limitStall(outgoing, stalledReaderMs);
}

/** Closes the connection when it makes no progress for so long, if anything waits to be sent. */
export function limitStall(outgoing: ServerResponse, stalledReaderMs: number): void {
  if ((outgoing.socket?.writableLength ?? 0) > 0) outgoing.setTimeout(stalledReaderMs, () => outgoing.destroy());
}
