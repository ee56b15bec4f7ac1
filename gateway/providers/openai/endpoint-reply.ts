import { planScan, scanBody } from '#core/body-scan.ts';
import { isObject, objectOf } from '#translation/wires/openai/json.ts';
import type { ReplyFacts } from '../provider.ts';

const PLAN = planScan(['usage', 'meta']);

/** Reads the usage of an answer of images, transcriptions or rerank without parsing it; moderations have none. */
export function readEndpointReply(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  if (scan.kind === 'bad') return { usage: null, finishReason: null };
  const [usage, meta] = scan.spans.map((span) =>
    span === undefined ? undefined : parse(body.toString('utf8', span.start, span.end)),
  );
  // Cohere's rerank, and servers that answer as it does.
  const cohere = objectOf(meta)['tokens'];
  return { usage: readEndpointUsage(usage) ?? readEndpointUsage(cohere), finishReason: null };
}

/**
 * Tokens as images and sound are billed (`input_tokens`), or as Jina bills rerank (`total_tokens` alone: nothing is generated there). Null
 * where none are said, as for sound that is billed by its length.
 */
export function readEndpointUsage(usage: unknown): ReplyFacts['usage'] {
  if (!isObject(usage)) return null;
  const outputTokens = count(usage['output_tokens']) ?? count(usage['completion_tokens']);
  const said = count(usage['input_tokens']) ?? count(usage['prompt_tokens']);
  const inputTokens = said ?? (outputTokens === null ? count(usage['total_tokens']) : null);
  if (inputTokens === null && outputTokens === null) return null;
  return {
    inputTokens,
    outputTokens,
    cachedTokens: count(objectOf(usage['input_tokens_details'])['cached_tokens']),
    reasoningTokens: null,
  };
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the upstream's JSON is broken; the caller gets it as it is, we know nothing of its usage
  }
}
