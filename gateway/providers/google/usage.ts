import { type ChatUsage, NO_USAGE } from '#translation/chat/reply.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';

/**
 * Google's `usageMetadata` in our words; null unless it is an object. What tools brought back is input; thoughts are counted apart from
 * the candidates there, and are output here. Zero stays zero, missing stays null.
 */
export function readUsage(metadata: unknown): ChatUsage | null {
  if (!isRecord(metadata)) return null;
  const thoughts = count(metadata['thoughtsTokenCount']);
  return {
    ...NO_USAGE,
    inputTokens: sum(count(metadata['promptTokenCount']), count(metadata['toolUsePromptTokenCount'])),
    outputTokens: sum(count(metadata['candidatesTokenCount']), thoughts),
    cachedTokens: count(metadata['cachedContentTokenCount']),
    reasoningTokens: thoughts,
    audioInputTokens: audioOf(metadata, 'promptTokensDetails'),
    audioOutputTokens: audioOf(metadata, 'candidatesTokensDetails'),
  };
}

function audioOf(metadata: JsonRecord, name: string): number | null {
  const details = metadata[name];
  if (!Array.isArray(details)) return null;
  const audio: unknown = details.find((item) => isRecord(item) && item['modality'] === 'AUDIO');
  return isRecord(audio) ? count(audio['tokenCount']) : null;
}

function sum(a: number | null, b: number | null): number | null {
  return a === null ? b : a + (b ?? 0);
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}
