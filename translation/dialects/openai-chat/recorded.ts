import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../wires/openai/json.ts';
import type { RecordedChats } from '../recorded.ts';
import { openReassembler } from './reassemble.ts';

/** Keys of an answer's message that a request's may not have. */
const ANSWER_ONLY: ReadonlySet<string> = new Set([
  'annotations',
  'audio',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
]);

/** Chat completions as the log has them. An answer is the message of the first choice. */
export const recordedChats: RecordedChats = {
  openReassembler,
  answerOf({ choices }) {
    const list: readonly unknown[] = Array.isArray(choices) ? choices : [];
    const first = list.filter(isObject).find(({ index }) => (index ?? 0) === 0);
    if (first === undefined) return null;
    const { message, finish_reason: finishReason } = first;
    // Some servers say the role in no chunk.
    const isSaid = isObject(message) && Object.keys(message).length > 0;
    const said = isSaid ? withoutNulls({ role: 'assistant', ...message }) : null;
    return said === null ? null : { said, isFinished: typeof finishReason === 'string' };
  },
  /** It is in these words already; what else a message holds stays as it is. */
  asOpenAiChat({ messages, tools }, said) {
    if (!Array.isArray(messages) || messages.length === 0) return null;
    const turns = [...messages, said].map((message) => (isObject(message) ? asTurn(message) : null));
    if (!turns.every((turn) => turn !== null)) return null;
    return { messages: turns, tools: Array.isArray(tools) ? tools : [] };
  },
};

/** A message as a request may have it. */
function asTurn(message: JsonObject): JsonObject | null {
  const turn = withoutNulls(message);
  return turn && Object.fromEntries(Object.entries(turn).filter(([key]) => !ANSWER_ONLY.has(key)));
}

/** Answers are full of nulls, which a request may not have; the content alone may be null. */
function withoutNulls(message: JsonObject): JsonObject | null {
  if (typeof message['role'] !== 'string') return null;
  const kept = Object.entries(message).filter(([key, value]) => value !== null || key === 'content');
  const turn: JsonObject = { content: null, ...Object.fromEntries(kept) };
  const calls = turn['tool_calls'];
  return Array.isArray(calls) ? { ...turn, tool_calls: calls.map(asCall) } : turn;
}

/** In a stream calls have an index, and some servers leave the only type out. */
function asCall(call: unknown): unknown {
  if (!isObject(call)) return call;
  const { index: _index, ...rest } = call;
  return { type: 'function', ...rest };
}
