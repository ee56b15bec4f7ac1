import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply } from '#translation/chat/reply.ts';

/** The events of a stream that makes `reply`; texts come in pieces of `pieceLength` characters. */
export function* eventsOf(reply: ChatReply, pieceLength = 5): Iterable<Exclude<ChatEvent, { type: 'end' | 'error' }>> {
  yield { type: 'start', id: reply.id, model: reply.model, usage: null };
  for (const { index: candidate, parts, finish, stopSequence, logprobs } of reply.candidates) {
    for (const [part, made] of parts.entries()) {
      const place = { candidate, part };
      yield { type: 'begin', ...place, ...headOf(made) };
      const text = textOf(made);
      for (let from = 0; from < text.length; from += pieceLength) {
        yield { type: 'delta', ...place, kind: 'text', text: text.slice(from, from + pieceLength) };
      }
      for (const citation of made.type === 'text' ? made.citations : []) {
        yield { type: 'delta', ...place, kind: 'citation', citation };
      }
      const signature = 'signature' in made ? made.signature : null;
      if (signature !== null) yield { type: 'delta', ...place, kind: 'signature', signature, redacted: false };
      const redacted = 'redacted' in made ? made.redacted : null;
      if (redacted !== null) yield { type: 'delta', ...place, kind: 'signature', signature: redacted, redacted: true };
      yield { type: 'close', ...place };
    }
    if (logprobs !== null) yield { type: 'logprobs', candidate, logprobs };
    if (finish !== null) yield { type: 'finish', candidate, finish, rawFinish: reply.rawFinish, stopSequence };
  }
  if (reply.usage !== null) yield { type: 'usage', usage: reply.usage };
}

function headOf(part: ModelPart) {
  if (part.type === 'tool_call') return { kind: part.type, id: part.id, name: part.name } as const;
  if (part.type !== 'image' && part.type !== 'audio') return { kind: part.type } as const;
  if (part.source.kind !== 'base64') throw new Error('a stream has only images and sounds that came whole');
  return { kind: part.type, mediaType: part.source.mediaType, data: part.source.data } as const;
}

function textOf(part: ModelPart): string {
  if (part.type === 'tool_call') return part.arguments;
  return part.type === 'image' || part.type === 'audio' ? '' : part.text;
}
