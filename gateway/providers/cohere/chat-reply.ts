import { RingsideError } from '#core/errors.ts';
import type { Citation, ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { isObject, type Json, listOf, objectOf, parseUpstream, textOf } from '#translation/wires/openai/json.ts';
import { FAILED, readCitation, readFinish, readLogprobs, readUsage } from './chat-facts.ts';

/** Reads a whole answer of `POST /v2/chat`. */
export function readReply(body: Buffer): ChatReply {
  const answer = parseUpstream(body.toString('utf8'), 'an answer');
  const { message } = answer;
  if (!isObject(message)) {
    throw new RingsideError('upstream_protocol', 'The upstream sent something else than an answer of a chat.');
  }
  const rawFinish = textOf(answer['finish_reason']);
  if (rawFinish === FAILED) throw new RingsideError('upstream_error', 'The upstream failed while it was generating.');
  const logprobs = Array.isArray(answer['logprobs']) ? readLogprobs(answer['logprobs']) : null;
  return {
    id: textOf(answer['id']),
    model: null,
    candidates: [
      {
        index: 0,
        parts: readParts(message),
        finish: rawFinish === null ? null : readFinish(rawFinish),
        stopSequence: null,
        logprobs,
      },
    ],
    usage: readUsage(answer['usage']),
    rawFinish,
  };
}

/** Content (thoughts and text), the plan, the calls: the order in which a stream brings them. */
function readParts(message: Json): ModelPart[] {
  const base = { at: '', cache: null };
  const cited = citationsOf(message);
  const parts: ModelPart[] = [];
  const blocks = listOf(message['content']).map(objectOf);
  const lastText = blocks.findLastIndex((block) => block['type'] === 'text');
  for (const [index, block] of blocks.entries()) {
    const kind = block['type'];
    if (kind === 'thinking') {
      const thoughts = textOf(block['thinking']) ?? '';
      parts.push({ ...base, type: 'reasoning', text: thoughts, signature: null, redacted: null });
    } else if (kind === 'text') {
      const citations = [...(cited.get(index) ?? []), ...(index === lastText ? (cited.get('last') ?? []) : [])];
      parts.push({ ...base, type: 'text', text: textOf(block['text']) ?? '', citations });
    }
  }
  const plan = textOf(message['tool_plan']) ?? '';
  if (plan !== '') parts.push({ ...base, type: 'text', text: plan, citations: cited.get('plan') ?? [] });
  for (const value of listOf(message['tool_calls'])) {
    const call = objectOf(value);
    const called = objectOf(call['function']);
    parts.push({
      ...base,
      type: 'tool_call',
      id: textOf(call['id']),
      name: textOf(called['name']) ?? '',
      arguments: textOf(called['arguments']) ?? '',
      signature: null,
    });
  }
  return parts;
}

function citationsOf(message: Json): Map<number | 'plan' | 'last', Citation[]> {
  const cited = new Map<number | 'plan' | 'last', Citation[]>();
  for (const value of listOf(message['citations'])) {
    const { plan, content, citations } = readCitation(value);
    const place = plan ? 'plan' : (content ?? 'last');
    cited.set(place, [...(cited.get(place) ?? []), ...citations]);
  }
  return cited;
}
