import { RingsideError } from '#core/errors.ts';
import type { Citation, ModelPart } from '../../chat/parts.ts';
import type { ChatReply } from '../../chat/reply.ts';
import { FAILED, readCitation, readFinish, readLogprobs, readUsage, record, text } from './chat-facts.ts';

/** Reads a whole answer of `POST /v2/chat`. */
export function readReply(body: Buffer): ChatReply {
  const answer = parse(body);
  const message = record(answer?.['message']);
  if (answer === null || message === null) {
    throw new RingsideError('upstream_protocol', 'The upstream sent something else than an answer of a chat.');
  }
  const rawFinish = text(answer['finish_reason']);
  if (rawFinish === FAILED) throw new RingsideError('upstream_error', 'The upstream failed while it was generating.');
  const logprobs = Array.isArray(answer['logprobs']) ? readLogprobs(answer['logprobs']) : null;
  return {
    id: text(answer['id']),
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

function parse(body: Buffer): Record<string, unknown> | null {
  try {
    return record(JSON.parse(body.toString('utf8')));
  } catch {
    return null;
  }
}

/** Content (thoughts and text), the plan, the calls: the order in which a stream brings them. */
function readParts(message: Record<string, unknown>): ModelPart[] {
  const base = { at: '', cache: null };
  const cited = citationsOf(message);
  const parts: ModelPart[] = [];
  const blocks = list(message['content']).map(record);
  const lastText = blocks.findLastIndex((block) => block?.['type'] === 'text');
  for (const [index, block] of blocks.entries()) {
    const kind = block?.['type'];
    if (kind === 'thinking') {
      const thoughts = text(block!['thinking']) ?? '';
      parts.push({ ...base, type: 'reasoning', text: thoughts, signature: null, redacted: null });
    } else if (kind === 'text') {
      const citations = [...(cited.get(index) ?? []), ...(index === lastText ? (cited.get('last') ?? []) : [])];
      parts.push({ ...base, type: 'text', text: text(block!['text']) ?? '', citations });
    }
  }
  const plan = text(message['tool_plan']) ?? '';
  if (plan !== '') parts.push({ ...base, type: 'text', text: plan, citations: cited.get('plan') ?? [] });
  for (const value of list(message['tool_calls'])) {
    const call = record(value);
    const called = record(call?.['function']);
    parts.push({
      ...base,
      type: 'tool_call',
      id: text(call?.['id']),
      name: text(called?.['name']) ?? '',
      arguments: text(called?.['arguments']) ?? '',
      signature: null,
    });
  }
  return parts;
}

function citationsOf(message: Record<string, unknown>): Map<number | 'plan' | 'last', Citation[]> {
  const cited = new Map<number | 'plan' | 'last', Citation[]>();
  for (const value of list(message['citations'])) {
    const { plan, content, citations } = readCitation(value);
    const place = plan ? 'plan' : (content ?? 'last');
    cited.set(place, [...(cited.get(place) ?? []), ...citations]);
  }
  return cited;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
