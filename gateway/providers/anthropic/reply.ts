import { decodeString, planScan, scanBody } from '#core/body-scan.ts';
import type { ReplyFacts } from '../provider.ts';
import { readChatUsage } from './chat-usage.ts';

const PLAN = planScan(['usage', 'stop_reason']);

/** Reads usage and stop reason without parsing the answer. A count of tokens is no use of them: it has neither. */
export function readFacts(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  if (scan.kind === 'bad') return { usage: null, finishReason: null };
  const [usage, reason] = scan.spans;
  return {
    usage: usage === undefined ? null : readChatUsage(parse(body.toString('utf8', usage.start, usage.end))),
    finishReason: reason === undefined ? null : decodeString(body, reason),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the upstream's JSON is broken; the caller gets it as it is, we know nothing of its usage
  }
}
