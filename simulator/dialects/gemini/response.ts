import type { Behaviour } from '../../behaviour.ts';
import type { Plan, PlannedFinish } from '../../plan.ts';
import { makeSignature } from './signatures.ts';

/** An answer before it is written plain or as a stream. */
export interface Draft {
  readonly plans: readonly Plan[];
  readonly hasLogprobs: boolean;
  readonly head: { readonly modelVersion: string; readonly responseId: string };
  /** Undefined where the behaviour sends none. */
  readonly usage: Usage | undefined;
}

export interface Usage {
  readonly promptTokenCount: number;
  readonly candidatesTokenCount: number;
  readonly totalTokenCount: number;
  readonly promptTokensDetails: readonly object[];
  readonly thoughtsTokenCount?: number;
  readonly cachedContentTokenCount?: number;
}

const FINISH: Readonly<Record<PlannedFinish, string>> = {
  stop: 'STOP',
  stop_sequence: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'PROHIBITED_CONTENT',
};

export function finishOf({ finish }: Plan): string {
  return FINISH[finish];
}

/** A model that thinks signs the last text, or the first of its calls. */
export function signatureOf({ usage, calls, text }: Plan): { thoughtSignature?: string } {
  if (usage.reasoningTokens === 0) return {};
  return { thoughtSignature: makeSignature(calls[0]?.idText ?? text.join('')) };
}

export function callPart(plan: Plan, index: number): object {
  const { idText, name, arguments: json } = plan.calls[index]!;
  const signature = index === 0 ? signatureOf(plan) : {};
  return { functionCall: { id: idText.slice(0, 8), name, args: JSON.parse(json) as object }, ...signature };
}

export function partsOf(plan: Plan): object[] {
  const { reasoning, text, calls } = plan;
  const thoughts = reasoning.length === 0 ? [] : [{ text: reasoning.join(''), thought: true }];
  if (calls.length > 0) return [...thoughts, ...calls.map((_, index) => callPart(plan, index))];
  return [...thoughts, { text: text.join(''), ...signatureOf(plan) }];
}

export function logprobsOf(tokens: readonly string[]): object {
  const chosen = tokens.map((token) => ({ token, tokenId: token.length, logProbability: -0.25 }));
  return { chosenCandidates: chosen, topCandidates: chosen.map((candidate) => ({ candidates: [candidate] })) };
}

/** The counts of all candidates; what is thought is counted apart. */
export function usageOf(plans: readonly Plan[], behaviour: Behaviour): Usage | undefined {
  if (behaviour.usage === 'missing') return undefined;
  const on = behaviour.usage === 'zero' ? 0 : 1;
  const sum = (count: (plan: Plan) => number) => on * plans.reduce((total, plan) => total + count(plan), 0);
  const prompt = on * plans[0]!.usage.promptTokens;
  const output = sum(({ usage }) => usage.outputTokens);
  const thoughts = sum(({ usage }) => usage.reasoningTokens);
  const cached = on * plans[0]!.usage.cachedTokens;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: output - thoughts,
    totalTokenCount: prompt + output,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
  };
}
