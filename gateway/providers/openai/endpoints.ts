import type { Operation } from '#core/names.ts';
import { openaiNative } from '#gateway/wires/openai/native.ts';
import type { NativeWire } from '../provider.ts';
import { readEndpointReply } from './endpoint-reply.ts';
import { openEndpointStream } from './endpoint-stream.ts';

/** Images come inside of JSON, with their usage behind them. */
const MAX_IMAGES_BYTES = 64 * 1_048_576;
const MAX_JSON_BYTES = 16 * 1_048_576;

/** What OpenAI and compatible servers have beside chats, completions and embeddings: passed on as it comes. */
export const openaiEndpoints: NativeWire = {
  ...openaiNative,
  readReply: readEndpointReply,
  maxWholeBytes,
  openStream: openEndpointStream,
};

/** Sound is passed on as it comes: whoever plays it should not wait for its end. */
function maxWholeBytes(operation: Operation): number {
  if (operation === 'speech') return 0;
  return operation.startsWith('image-') ? MAX_IMAGES_BYTES : MAX_JSON_BYTES;
}
