import type { JsonObject, Reasoning } from '#translation/chat/request.ts';
import { takesEffort } from './generations.ts';

/** What a request says about thoughts, and the limit that they force. */
export interface Thinking {
  /** `thinking`; null: nothing is said. */
  readonly thinking: JsonObject | null;
  /** `output_config.effort`. */
  readonly effort: string | null;
  readonly maxTokens: number;
  readonly isOn: boolean;
}

export interface TokenLimit {
  readonly tokens: number;
  /** Whether the caller chose it: then it is kept, and thoughts fit under it or are refused. */
  readonly isCallers: boolean;
}

type Effort = NonNullable<Reasoning['effort']>;

/** Thinking needs that many tokens at least, and less than `max_tokens` (API reference, Messages, `thinking`, read 2026-11). */
const MIN_BUDGET_TOKENS = 1024;

/** How many tokens an effort stands for where only a budget can be said. */
const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
};

/** Puts what a caller said about thoughts into the words that the model understands; null: its limit leaves no room for them. */
export function planThinking(reasoning: Reasoning, limit: TokenLimit, model: string): Thinking | null {
  const off = { effort: null, maxTokens: limit.tokens, isOn: false };
  if (reasoning.budgetTokens === 0 || (reasoning.budgetTokens === null && reasoning.effort === 'none')) {
    return { ...off, thinking: { type: 'disabled' } };
  }
  const { effort, budgetTokens, adaptive } = reasoning;
  // Asking to see thoughts does not ask for any.
  if (effort === null && budgetTokens === null && !adaptive) return { ...off, thinking: null };
  const display = reasoning.show === null ? {} : { display: reasoning.show ? 'summarized' : 'omitted' };
  if (takesEffort(model)) {
    return {
      thinking: { type: 'adaptive', ...display },
      effort: effortWord(effort ?? (budgetTokens === null ? null : nearestEffort(budgetTokens))),
      maxTokens: limit.tokens,
      isOn: true,
    };
  }
  const budget = planBudget(reasoning, limit);
  if (budget === null) return null;
  const thinking = { type: 'enabled', budget_tokens: budget.tokens, ...display };
  return { thinking, effort: null, maxTokens: budget.maxTokens, isOn: true };
}

/** A budget that the caller gave is kept or refused. One that only stands for an effort shrinks under the caller's limit. */
function planBudget(reasoning: Reasoning, limit: TokenLimit): { tokens: number; maxTokens: number } | null {
  const given = reasoning.budgetTokens;
  const wanted = Math.max(MIN_BUDGET_TOKENS, given ?? BUDGETS[reasoning.effort ?? 'high']);
  if (wanted < limit.tokens) return { tokens: wanted, maxTokens: limit.tokens };
  if (!limit.isCallers) return { tokens: wanted, maxTokens: wanted + limit.tokens };
  if (given !== null || limit.tokens <= MIN_BUDGET_TOKENS) return null;
  return { tokens: Math.max(MIN_BUDGET_TOKENS, Math.floor(limit.tokens / 2)), maxTokens: limit.tokens };
}

/** The greatest effort whose budget is not above the one given. */
function nearestEffort(budgetTokens: number): Effort {
  const efforts = Object.entries(BUDGETS) as [Effort, number][];
  return efforts.findLast(([, tokens]) => tokens <= budgetTokens)?.[0] ?? 'none';
}

function effortWord(effort: Effort | null): string | null {
  return effort === 'minimal' || effort === 'none' ? 'low' : effort;
}
