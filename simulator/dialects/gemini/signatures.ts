import type { Problem } from '../../dialect.ts';
import type { GenerateRequest } from './schema.ts';

const MARK = 'simulated-signature ';
/** What Google documents for calls that another model made. */
const SKIP = 'skip_thought_signature_validator';
const GEMINI_3 = /^gemini-(?:[3-9]|\d\d)/;

export function makeSignature(text: string): string {
  return Buffer.from(`${MARK}${text.slice(0, 24)}`).toString('base64');
}

/**
 * Signatures must be the model's own. Since Gemini 3 the first call of each step of the turn under way must have one ("Thought signatures", read
 * 2026-11).
 */
export function checkSignatures({ contents }: GenerateRequest, model: string): Problem | null {
  for (const [at, { parts }] of contents.entries()) {
    for (const { thoughtSignature } of parts) {
      if (thoughtSignature === undefined || thoughtSignature === SKIP) continue;
      if (Buffer.from(thoughtSignature, 'base64').toString('utf8').startsWith(MARK)) continue;
      return bad(`contents[${at}]`, 'Thought signature is not valid.');
    }
  }
  if (!GEMINI_3.test(model)) return null;
  const turn = contents.findLastIndex(
    ({ role, parts }) => role !== 'model' && parts.some(({ text }) => text !== undefined),
  );
  for (const [at, { parts }] of contents.entries()) {
    const call = at > turn ? parts.find(({ functionCall }) => functionCall !== undefined) : undefined;
    if (call !== undefined && call.thoughtSignature === undefined) {
      return bad(`contents[${at}]`, 'Function call is missing a thought_signature in functionCall parts.');
    }
  }
  return null;
}

function bad(field: string, message: string): Problem {
  return { kind: 'bad-request', message, field, missing: false };
}
