import type { ModelPart } from '#translation/chat/parts.ts';
import type { Candidate, ChatReply } from '#translation/chat/reply.ts';
import { NO_USAGE } from '#translation/chat/reply.ts';

type Of<Type extends ModelPart['type']> = Omit<Extract<ModelPart, { type: Type }>, 'type' | 'at' | 'cache'>;

const part = <Type extends ModelPart['type']>(type: Type, fields: Of<Type>) =>
  ({ type, at: '', cache: null, ...fields }) as unknown as Extract<ModelPart, { type: Type }>;

/** Parts of answers, for tests: what is not said is nothing. */
export const said = (text: string, more: Partial<Of<'text'>> = {}) => part('text', { text, citations: [], ...more });
export const refused = (text: string) => part('refusal', { text });
export const thought = (text: string, more: Partial<Of<'reasoning'>> = {}) =>
  part('reasoning', { text, signature: null, redacted: null, ...more });
export const called = (name: string, args: string, more: Partial<Of<'tool_call'>> = {}) =>
  part('tool_call', { id: `call_${name}`, name, arguments: args, signature: null, ...more });
export const drawn = (data: string) =>
  part('image', { source: { kind: 'base64', mediaType: 'image/png', data }, detail: null });

export function replyOf(parts: readonly ModelPart[], more: Partial<Candidate> = {}): ChatReply {
  return {
    id: 'upstream-1',
    model: 'upstream-model',
    candidates: [{ index: 0, parts, finish: 'stop', stopSequence: null, logprobs: null, ...more }],
    usage: { ...NO_USAGE, inputTokens: 11, outputTokens: 7, cachedTokens: 0, reasoningTokens: 2 },
    rawFinish: 'stop',
  };
}
