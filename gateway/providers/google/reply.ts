import { planScan, scanBody } from '#core/body-scan.ts';
import type { ChatUsage } from '#translation/chat/reply.ts';
import { isRecord } from '#translation/wires/exact-json.ts';
import type { ReplyFacts } from '../provider.ts';
import { readUsage } from './usage.ts';

const PLAN = planScan(['usageMetadata', 'candidates', 'promptFeedback']);

/** Reads usage and the first candidate's finish reason of an answer that is passed on as it is. */
export function readReply(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  if (scan.kind === 'bad') return { usage: null, finishReason: null };
  const [usage, candidates, feedback] = scan.spans.map((span) =>
    span === undefined ? undefined : parse(body.toString('utf8', span.start, span.end)),
  );
  return { usage: usageFacts(readUsage(usage)), finishReason: finishOf(candidates, feedback) };
}

/** Why a response ended, in Google's words: its first finish reason, or why the prompt was blocked; null while it goes on. */
export function finishOf(candidates: unknown, feedback: unknown): string | null {
  const list = Array.isArray(candidates) ? candidates.filter(isRecord) : [];
  const finished = list.find(({ finishReason }) => typeof finishReason === 'string' && finishReason !== '');
  const reason = finished?.['finishReason'] ?? (isRecord(feedback) ? feedback['blockReason'] : null);
  return typeof reason === 'string' && reason !== '' ? reason : null;
}

export function usageFacts(usage: ChatUsage | null): ReplyFacts['usage'] {
  if (usage === null) return null;
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens } = usage;
  return { inputTokens, outputTokens, cachedTokens, reasoningTokens };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the upstream's JSON is broken; the caller gets it as it is, we know nothing of its usage
  }
}
