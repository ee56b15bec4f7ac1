import type { Citation, ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply, ChatUsage, FinishReason } from '#translation/chat/reply.ts';
import { readCitation, readTexts } from './citations.ts';
import { isRecord, notAnAnswer, parseObject } from './json.ts';
import { imageType } from './media.ts';

/** The answer of `Converse`. Blocks of kinds that are not known here are skipped. */
export function readReply(body: Buffer): ChatReply {
  const answer = parseObject(body);
  const message = isRecord(answer['output']) ? answer['output']['message'] : null;
  if (!isRecord(message) || !Array.isArray(message['content'])) throw notAnAnswer();
  const { finish, rawFinish, stopSequence } = readFinish(answer);
  return {
    id: null,
    model: null,
    candidates: [{ index: 0, parts: message['content'].flatMap(readBlock), finish, stopSequence, logprobs: null }],
    usage: readUsage(answer['usage']),
    rawFinish,
  };
}

function readBlock(block: unknown): ModelPart[] {
  if (!isRecord(block)) return [];
  const base = { at: '', cache: null };
  const { text, toolUse, reasoningContent, citationsContent, image } = block;
  if (typeof text === 'string') return text === '' ? [] : [{ ...base, type: 'text', text, citations: [] }];
  if (isRecord(toolUse)) {
    const { toolUseId, name, input } = toolUse;
    if (typeof name !== 'string') return [];
    const id = typeof toolUseId === 'string' ? toolUseId : null;
    return [{ ...base, type: 'tool_call', id, name, arguments: JSON.stringify(input ?? {}), signature: null }];
  }
  if (isRecord(reasoningContent)) return readReasoning(reasoningContent);
  if (isRecord(citationsContent)) {
    const list: unknown[] = Array.isArray(citationsContent['citations']) ? citationsContent['citations'] : [];
    const citations = list.map(readCitation).filter((citation): citation is Citation => citation !== null);
    return [{ ...base, type: 'text', text: readTexts(citationsContent['content']), citations }];
  }
  if (isRecord(image) && isRecord(image['source']) && typeof image['source']['bytes'] === 'string') {
    const source = {
      kind: 'base64',
      mediaType: imageType(String(image['format'])),
      data: image['source']['bytes'],
    } as const;
    return [{ ...base, type: 'image', source, detail: null }];
  }
  return [];
}

function readReasoning({ reasoningText, redactedContent }: Record<string, unknown>): ModelPart[] {
  const base = { at: '', cache: null, type: 'reasoning' } as const;
  if (typeof redactedContent === 'string') {
    return [{ ...base, text: '', signature: null, redacted: { origin: 'bedrock', value: redactedContent } }];
  }
  if (!isRecord(reasoningText)) return [];
  const { text, signature } = reasoningText;
  return [
    {
      ...base,
      text: typeof text === 'string' ? text : '',
      signature: typeof signature === 'string' ? { origin: 'bedrock', value: signature } : null,
      redacted: null,
    },
  ];
}

/** Enum StopReason; `refusal` and `pause_turn` are Anthropic's, which come through. */
const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  stop_sequence: 'stop_sequence',
  content_filtered: 'content_filter',
  guardrail_intervened: 'content_filter',
  malformed_tool_use: 'malformed_tool_call',
  refusal: 'refusal',
  pause_turn: 'pause',
};

/** Why it ended, of a whole answer or of the event `messageStop`. */
export function readFinish({ stopReason, additionalModelResponseFields: fields }: Record<string, unknown>) {
  const rawFinish = typeof stopReason === 'string' ? stopReason : null;
  const known = rawFinish !== null && Object.hasOwn(FINISHES, rawFinish) ? FINISHES[rawFinish] : undefined;
  const finish = rawFinish === null ? null : (known ?? 'other');
  const stop = isRecord(fields) ? fields['stop_sequence'] : null;
  return { finish, rawFinish, stopSequence: finish === 'stop_sequence' && typeof stop === 'string' ? stop : null };
}

/** TokenUsage. Its input leaves out what was read from and written to a cache. */
export function readUsage(usage: unknown): ChatUsage | null {
  if (!isRecord(usage)) return null;
  const input = count(usage['inputTokens']);
  const cachedTokens = count(usage['cacheReadInputTokens']);
  const cacheWriteTokens = count(usage['cacheWriteInputTokens']);
  return {
    inputTokens: input === null ? null : input + (cachedTokens ?? 0) + (cacheWriteTokens ?? 0),
    outputTokens: count(usage['outputTokens']),
    cachedTokens,
    cacheWriteTokens,
    reasoningTokens: null,
    audioInputTokens: null,
    audioOutputTokens: null,
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}
