import { StringDecoder } from 'node:string_decoder';
import { RingsideError } from '#core/errors.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import type { EventStream } from '#translation/chat/sse.ts';

/** Splits lines of JSON (ndjson) out of chunks that are cut anywhere. Empty lines are skipped. */
export function openLines(onLine: (line: string) => void): EventStream {
  const decoder = new StringDecoder('utf8');
  let held = '';
  const hand = (line: string) => {
    if (line.trim() !== '') onLine(line);
  };
  const take = (text: string) => {
    const lines = (held + text).split('\n');
    held = lines.pop()!;
    if (held.length > MAX_EVENT_BYTES) {
      throw new RingsideError('upstream_protocol', `The upstream sent a line of more than ${MAX_EVENT_BYTES} bytes.`);
    }
    for (const line of lines) hand(line);
  };
  return {
    push: (chunk) => take(decoder.write(chunk)),
    close() {
      take(decoder.end());
      const line = held;
      held = '';
      hand(line);
    },
  };
}
