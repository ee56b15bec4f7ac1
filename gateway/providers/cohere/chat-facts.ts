import type { Citation } from '#translation/chat/parts.ts';
import { type ChatUsage, type FinishReason, NO_USAGE, type TokenLogprob } from '#translation/chat/reply.ts';
import { isObject, type Json, listOf, objectOf, textOf } from '#translation/wires/openai/json.ts';

/** What plain answers and streams of Cohere's say in the same words. */

const FINISHES: Readonly<Record<string, FinishReason>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop_sequence',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool_calls',
};

/** The finish that says that generating failed. */
export const FAILED = 'ERROR';

/** `other` for what stops without a counterpart (`TIMEOUT`) and for words that are new. */
export function readFinish(word: string | null): FinishReason {
  return word !== null && Object.hasOwn(FINISHES, word) ? FINISHES[word]! : 'other';
}

/**
 * Cohere's usage; null unless it is an object. `tokens` is what the model read and wrote, its prompt template included;
 * `billed_units`, without that, stands in where a server reports nothing else. Thoughts are counted, but not apart.
 */
export function readUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null;
  const tokens = objectOf(usage['tokens']);
  const billed = objectOf(usage['billed_units']);
  return {
    ...NO_USAGE,
    inputTokens: count(tokens['input_tokens']) ?? count(billed['input_tokens']),
    outputTokens: count(tokens['output_tokens']) ?? count(billed['output_tokens']),
    cachedTokens: count(usage['cached_tokens']),
  };
}

/** One item is a piece of text of one or more tokens; together they are as likely as the product of their chances. */
export function readLogprobs(items: unknown): TokenLogprob[] {
  return (Array.isArray(items) ? items : [items]).filter(isObject).flatMap((item) => {
    const logprobs = item['logprobs'];
    if (!Array.isArray(logprobs)) return [];
    const logprob = logprobs.reduce<number>((sum, one) => sum + (typeof one === 'number' ? one : 0), 0);
    return [{ token: textOf(item['text']) ?? '', logprob, bytes: null, top: [] }];
  });
}

/** Which part of an answer a citation is for. */
export interface PlacedCitations {
  readonly plan: boolean;
  /** The content block's number; null: the last text so far. */
  readonly content: number | null;
  readonly citations: readonly Citation[];
}

/**
 * Each source of a citation is one of ours. A document with an address becomes a citation of that address; any other is cited as a
 * whole (Cohere does not say where in it), by the number that it was sent under. Results of tools have no place in a {@link Citation}:
 * they are left out. Cohere does not say in what unit it counts; it is taken to be ours.
 */
export function readCitation(value: unknown): PlacedCitations {
  const citation = objectOf(value);
  return {
    plan: citation['type'] === 'PLAN',
    content: count(citation['content_index']),
    citations: listOf(citation['sources']).flatMap((source) => readSource(objectOf(source), citation)),
  };
}

function readSource(source: Json, citation: Json): Citation[] {
  const { document } = source;
  if (source['type'] !== 'document' || !isObject(document)) return [];
  const title = textOf(document['title']);
  const url = textOf(document['url']);
  if (url !== null) {
    const [startIndex, endIndex] = [count(citation['start']), count(citation['end'])];
    return [{ kind: 'url', url, title, citedText: null, startIndex, endIndex }];
  }
  const number = /(\d+)$/.exec(textOf(source['id']) ?? '')?.[1];
  return [
    {
      kind: 'document',
      documentIndex: Number(number ?? 0),
      documentTitle: title,
      citedText: textOf(document['text']) ?? textOf(document['snippet']) ?? '',
      unit: 'block',
      from: 0,
      to: 1,
    },
  ];
}

/** Token counts come as floats (`12.0`) from some of Cohere's servers; in JavaScript they are the same. */
export function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff ? value : null;
}
