import type { FinishReason } from '../../chat/reply.ts';

/** Every finish reason of the Gemini API (generateContent, FinishReason, read 2026-11) in our words; `STOP` also ends tool calls. */
const READ: Readonly<Record<string, FinishReason>> = {
  FINISH_REASON_UNSPECIFIED: 'other',
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'other',
  OTHER: 'other',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  MALFORMED_FUNCTION_CALL: 'malformed_tool_call',
  UNEXPECTED_TOOL_CALL: 'malformed_tool_call',
  TOO_MANY_TOOL_CALLS: 'other',
  MISSING_THOUGHT_SIGNATURE: 'other',
  MALFORMED_RESPONSE: 'other',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  IMAGE_OTHER: 'other',
  NO_IMAGE: 'other',
  ESCALATION: 'other',
  PUP_LIMITED_DISABLED: 'other',
  CONTINUATION: 'pause',
  MODEL_ARMOR: 'content_filter',
};

const WRITTEN: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  stop_sequence: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
  // CONTINUATION would have the SDKs send the request again with a token that we do not have.
  pause: 'OTHER',
  malformed_tool_call: 'MALFORMED_FUNCTION_CALL',
  other: 'OTHER',
};

export function readFinish(raw: string, hasToolCalls: boolean): FinishReason {
  if (raw === 'STOP' && hasToolCalls) return 'tool_calls';
  return Object.hasOwn(READ, raw) ? READ[raw]! : 'other';
}

/** `raw`: the provider's own word, kept where it is one of Google's with the same meaning. */
export function writeFinish(finish: FinishReason | null, raw: string | null): string {
  const isOwn = raw !== null && raw !== 'CONTINUATION' && Object.hasOwn(READ, raw) && READ[raw] === finish;
  return isOwn ? raw : WRITTEN[finish ?? 'other'];
}
