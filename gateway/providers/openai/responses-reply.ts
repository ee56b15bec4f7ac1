import { decodeString, planScan, type Span, scanBody } from '#core/body-scan.ts';
import type { Usage } from '../../telemetry/recorder.ts';
import type { ReplyFacts } from '../provider.ts';

const PLAN = planScan(['usage', 'status', 'incomplete_details']);

/** Reads usage and how it ended out of a Response object without parsing it: the reason where it is incomplete, else its status. */
export function readResponse(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  if (scan.kind === 'bad') return { usage: null, finishReason: null };
  const [usage, status, details] = scan.spans;
  const read = (span: Span | undefined) => (span ? parse(body.toString('utf8', span.start, span.end)) : null);
  const reason = fieldOf(read(details), 'reason');
  const word = status ? decodeString(body, status) : null;
  return { usage: readUsage(read(usage)), finishReason: typeof reason === 'string' ? reason : word };
}

/** The usage of a Response in our words; null unless it is an object. Zero stays zero, missing stays null. */
function readUsage(usage: unknown): Usage | null {
  if (typeof usage !== 'object' || usage === null) return null;
  return {
    inputTokens: count(fieldOf(usage, 'input_tokens')),
    outputTokens: count(fieldOf(usage, 'output_tokens')),
    cachedTokens: count(fieldOf(fieldOf(usage, 'input_tokens_details'), 'cached_tokens')),
    reasoningTokens: count(fieldOf(fieldOf(usage, 'output_tokens_details'), 'reasoning_tokens')),
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the caller gets the upstream's broken JSON as it is, we know nothing of its usage
  }
}
