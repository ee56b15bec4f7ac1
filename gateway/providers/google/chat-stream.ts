import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { StreamReader } from '#translation/chat/provider.ts';
import { openEventStream } from '#translation/chat/sse.ts';
import { isRecord, parseRecord } from '#translation/wires/exact-json.ts';
import { ResponseEvents } from './response-events.ts';

/** Reads the answer of `streamGenerateContent?alt=sse`. It has no last event: the end of the connection is its end. */
export function openReader(): StreamReader {
  const responses = new ResponseEvents();
  let emit: (event: ChatEvent) => void = () => {};
  let isOver = false;

  const events = openEventStream((data) => {
    if (isOver) return;
    const response = parseRecord(data);
    if (response === null)
      throw new RingsideError('upstream_protocol', 'The upstream sent an event that is no JSON object.');
    const { error } = response;
    if (!isRecord(error)) return responses.take(response, emit);
    isOver = true;
    const status = typeof error['code'] === 'number' ? error['code'] : null;
    emit({ type: 'error', status, body: Buffer.from(data) });
  });
  return {
    push(chunk, onEvent) {
      emit = onEvent;
      events.push(chunk);
    },
    close(onEvent) {
      emit = onEvent;
      events.close();
      if (isOver) return;
      isOver = true;
      responses.end(emit);
    },
  };
}
