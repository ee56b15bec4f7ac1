import type { JsonObject } from '../../chat/request.ts';

/** One event of a stream. The name stands twice: the official SDKs read events by the line `event:` only. */
export function namedEvent(type: string, fields: JsonObject = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}
