import type { CustomChat } from '#core/custom-provider.ts';
import { type ChatUsage, type FinishReason, NO_USAGE } from '#translation/chat/reply.ts';
import { compileOptional, compilePointer } from './pointer.ts';

export interface Finish {
  readonly finish: FinishReason;
  /** The provider's own word. */
  readonly rawFinish: string;
}

/** Reads why an answer ended; null where nothing is said (yet). */
export function compileFinish(declared: CustomChat['reply']['finishReason']): (value: unknown) => Finish | null {
  if (declared === undefined) return () => null;
  const at = compilePointer(declared.at);
  const map = new Map(Object.entries(declared.map));
  return (value) => {
    const found = at(value);
    if (found === undefined || found === null || typeof found === 'object') return null;
    const rawFinish = String(found);
    return { finish: map.get(rawFinish) ?? (KNOWN.has(rawFinish) ? (rawFinish as FinishReason) : 'other'), rawFinish };
  };
}

/** Words of ours that a provider may have, too. */
const KNOWN: ReadonlySet<string> = new Set([
  'stop',
  'stop_sequence',
  'length',
  'tool_calls',
  'content_filter',
] satisfies FinishReason[]);

/** Reads the counts that are there; null where none is. */
export function compileUsage(declared: CustomChat['reply']['usage']): (value: unknown) => ChatUsage | null {
  const fields = ['inputTokens', 'outputTokens', 'cachedTokens', 'reasoningTokens'] as const;
  const lookups = fields.map((field) => [field, compileOptional(declared?.[field])] as const);
  return (value) => {
    const counts = lookups.map(([field, at]) => [field, count(at(value))] as const);
    if (counts.every(([, found]) => found === null)) return null;
    return { ...NO_USAGE, ...Object.fromEntries(counts) };
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}
