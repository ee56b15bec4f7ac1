import type { JsonObject } from '#translation/chat/request.ts';
import { readSignature } from '#translation/wires/anthropic/signatures.ts';
import { parseRecord } from '#translation/wires/exact-json.ts';

/** One of these is in every body with a thought that another provider had. */
const HINTS = ['"rs1.', '"signature":""', '"signature": ""'];

/**
 * The body without the thoughts of other providers, or null where there are none. A conversation that another variant of the group
 * began has them, signed for that provider or not at all, and the API refuses a turn with a signature that is not its own.
 */
export function withoutForeignThoughts(body: Buffer, upstreamModel: string): Buffer | null {
  if (!HINTS.some((hint) => body.includes(hint))) return null;
  // Null: the upstream's to refuse.
  const request = parseRecord(body.toString('utf8'));
  const messages = request?.['messages'];
  if (request === null || !Array.isArray(messages)) return null;
  let removed = 0;
  const kept = messages.flatMap((message: JsonObject | null) => {
    const content = message?.['content'];
    if (!Array.isArray(content)) return [message];
    const own = content.filter((block) => !isForeign(block));
    removed += content.length - own.length;
    // A turn of nothing but thoughts is none: its neighbours are one turn.
    return own.length === 0 && content.length > 0 ? [] : [{ ...message, content: own }];
  });
  return removed === 0 ? null : Buffer.from(JSON.stringify({ ...request, model: upstreamModel, messages: kept }));
}

/** Thoughts of the API's own always have a signature, even where their text is hidden. */
function isForeign(block: unknown): boolean {
  if (typeof block !== 'object' || block === null) return false;
  const { type, signature, data } = block as JsonObject;
  if (type !== 'thinking' && type !== 'redacted_thinking') return false;
  const proof = type === 'thinking' ? signature : data;
  return typeof proof === 'string' && (proof === '' || readSignature(proof).origin !== 'anthropic');
}
