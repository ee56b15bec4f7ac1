import { hash } from 'node:crypto';
import { z } from 'zod';

/** Which answer a judge prefers, as it was shown them: 1 the first, −1 the second, 0 neither; a webhook may say how much. */
export type Preference = number;

const MAX_REASON = 500;
const winner = z.enum(['first', 'second', 'tie']);
const verdictSchema = z.union([
  z.object({ winner, reason: z.string().optional() }),
  z.object({ score: z.number().min(-1).max(1), reason: z.string().optional() }),
]);

/** What a judge that is a model must answer with. */
export const VERDICT_SCHEMA = {
  type: 'object',
  properties: { reason: { type: 'string' }, winner: { enum: ['first', 'second', 'tie'] } },
  required: ['reason', 'winner'],
  additionalProperties: false,
};

/** Whether the shadow's answer is shown first: half of all pairs, and always the same of one pair, so that a retry asks the same question. */
export function showsShadowFirst(pairId: string): boolean {
  return Number.parseInt(hash('sha256', pairId).slice(0, 2), 16) % 2 === 0;
}

/** Reads a verdict: `{"winner": "first" | "second" | "tie"}` or `{"score": −1 to 1}`, 1 for the first. Null when it is neither. */
export function readVerdict(text: string): { readonly preference: Preference; readonly reason: string } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.trim().replace(/^```(?:json)?\s*|\s*```$/g, ''));
  } catch {
    return null;
  }
  const verdict = verdictSchema.safeParse(parsed);
  if (!verdict.success) return null;
  const reason = (verdict.data.reason ?? '')
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .slice(0, MAX_REASON)
    .toWellFormed();
  if ('score' in verdict.data) return { preference: verdict.data.score, reason };
  return { preference: { first: 1, second: -1, tie: 0 }[verdict.data.winner], reason };
}

/** A verdict as measures: who is preferred, and, whoever that is, whether it was shown first. */
export function verdictMeasures(preference: Preference, shadowFirst: boolean): Record<string, number> {
  return {
    judge_score: preference === 0 ? 0 : shadowFirst ? preference : -preference,
    judge_first_preference: preference,
    judge_shadow_first: Number(shadowFirst),
  };
}
