import { decodeString, planScan, scanBody } from '#core/body-scan.ts';
import type { ReplyFacts } from '../../providers/provider.ts';
import type { Usage } from '../../telemetry/recorder.ts';

const PLAN = planScan(['usage', 'choices']);
const FINISH_REASON = Buffer.from('"finish_reason"');

/** Reads usage and the last choice's finish reason without parsing the answer. */
export function readReply(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  if (scan.kind === 'bad') return { usage: null, finishReason: null };
  const [usage, choices] = scan.spans;
  return {
    usage: usage === undefined ? null : readUsage(parse(body.toString('utf8', usage.start, usage.end))),
    finishReason: choices === undefined ? null : readFinishReason(body.subarray(choices.start, choices.end)),
  };
}

/** OpenAI's usage object in our words; null unless it is an object. Zero stays zero, missing stays null. */
export function readUsage(usage: unknown): Usage | null {
  if (typeof usage !== 'object' || usage === null) return null;
  const fields = usage as Record<string, unknown>;
  const details = (name: string) => (fields[name] ?? {}) as Record<string, unknown>;
  return {
    inputTokens: count(fields['prompt_tokens']),
    outputTokens: count(fields['completion_tokens']),
    cachedTokens: count(details('prompt_tokens_details')['cached_tokens']),
    reasoningTokens: count(details('completion_tokens_details')['reasoning_tokens']),
  };
}

/** The last finish reason in a piece of JSON text; null while it is null. Inside a string the closing quote would be escaped, so the key cannot be imitated there. */
function readFinishReason(json: Buffer): string | null {
  for (
    let at = json.lastIndexOf(FINISH_REASON);
    at !== -1;
    at = at === 0 ? -1 : json.lastIndexOf(FINISH_REASON, at - 1)
  ) {
    let next = at + FINISH_REASON.length;
    while (json[next]! <= 0x20) next++;
    if (json[next] !== 0x3a) continue;
    do next++;
    while (json[next]! <= 0x20);
    if (json[next] !== 0x22) return null;
    const end = json.indexOf(0x22, next + 1);
    return end === -1 ? null : decodeString(json, { start: next, end: end + 1 });
  }
  return null;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the upstream's JSON is broken; the caller gets it as it is, we know nothing of its usage
  }
}
