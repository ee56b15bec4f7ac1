import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ChatTranslation, StreamReader } from '#translation/chat/provider.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { readReply as readWireReply } from '#translation/wires/openai/reply.ts';
import { openReader as openWireReader } from '#translation/wires/openai/stream.ts';
import { writeRequest } from './chat-request.ts';

/** The finish that says that generating failed: no answer, whatever has come before it. */
const FAILED = 'error';

/** Chats in the words of Mistral's API: OpenAI's with other names, chunks of content and ids of its own. */
export const mistralChat: ChatTranslation = {
  heads: { plain: 'chat', stream: 'chat' },
  streamTypes: ['text/event-stream'],
  writeRequest,
  readReply,
  openReader,
};

function readReply(body: Buffer): ChatReply {
  const reply = readWireReply(body);
  if (reply.rawFinish === FAILED) {
    throw new RingsideError('upstream_error', 'The upstream failed while it was generating.');
  }
  return reply;
}

function openReader(): StreamReader {
  const reader = openWireReader();
  let failed = false;
  const guard = (emit: (event: ChatEvent) => void) => (event: ChatEvent) => {
    if (failed) return;
    failed = event.type === 'finish' && event.rawFinish === FAILED;
    if (!failed) emit(event);
    else emit({ type: 'error', status: null, body: Buffer.from('{"message":"generating failed"}') });
  };
  return {
    push: (chunk, emit) => reader.push(chunk, guard(emit)),
    close: (emit) => {
      if (!failed) reader.close(guard(emit));
    },
  };
}
