import { RingsideError } from '#core/errors.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { parseRecord } from '#translation/wires/exact-json.ts';
import { ResponseEvents } from './response-events.ts';

/** Reads the answer of `generateContent`: a stream of one response. */
export function readReply(body: Buffer): ChatReply {
  const response = parseRecord(body.toString('utf8'));
  if (response === null) throw new RingsideError('upstream_protocol', 'The upstream answered with no JSON object.');
  const events = new ResponseEvents();
  const collector = new ReplyCollector();
  events.take(response, (event) => collector.take(event));
  events.end((event) => collector.take(event));
  return collector.reply();
}
