import type { At } from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { Reasoning } from '#translation/chat/request.ts';
import type { JsonRecord } from '#translation/wires/exact-json.ts';
import { budgetRange, isGemini3, thinkingLevels } from './generation.ts';

type Effort = NonNullable<Reasoning['effort']>;

/** Tokens for thoughts by effort, rising. */
const BUDGETS: readonly (readonly [effort: Effort, tokens: number])[] = [
  ['none', 0],
  ['minimal', 1_024],
  ['low', 2_048],
  ['medium', 8_192],
  ['high', 24_576],
  ['xhigh', 32_768],
  ['max', 65_536],
];
/** The model decides itself. */
const DYNAMIC = -1;

/** How much to think: a level since Gemini 3, a budget before. A model that cannot be kept from thinking says so. */
export function writeThinking(reasoning: Reasoning, model: string, at: At, refusals: Refusals): JsonRecord | undefined {
  const amount = isGemini3(model)
    ? writeLevel(reasoning, model, at, refusals)
    : writeBudget(reasoning, model, at, refusals);
  const show = reasoning.show ?? showsByDefault(reasoning);
  const config = { ...amount, ...(show === null ? {} : { includeThoughts: show }) };
  return Object.keys(config).length === 0 ? undefined : config;
}

/** Anthropic's callers, who are the ones that give a budget without a word on showing, see the thoughts that they pay for. */
function showsByDefault({ budgetTokens }: Reasoning): true | null {
  return budgetTokens !== null && budgetTokens > 0 ? true : null;
}

function writeLevel({ effort, budgetTokens }: Reasoning, model: string, at: At, refusals: Refusals): JsonRecord {
  const wanted = effort ?? (budgetTokens === null ? null : effortOf(budgetTokens));
  // Dynamic thinking is the default.
  if (wanted === null) return {};
  const levels = thinkingLevels(model);
  if (wanted === 'none') refusals.setting(at, 'cannot keep models since Gemini 3 from thinking');
  if (wanted === 'none' || wanted === 'minimal') return { thinkingLevel: levels[0] };
  const level = wanted.toUpperCase();
  return { thinkingLevel: levels.includes(level) ? level : levels.at(-1) };
}

function writeBudget(
  { effort, budgetTokens, adaptive }: Reasoning,
  model: string,
  at: At,
  refusals: Refusals,
): JsonRecord {
  const wanted = budgetTokens ?? (effort === null ? null : tokensOf(effort));
  if (wanted === null) return adaptive ? { thinkingBudget: DYNAMIC } : {};
  const { min, max } = budgetRange(model);
  if (wanted === 0 && min > 0) refusals.setting(at, `cannot keep "${model}" from thinking`);
  return { thinkingBudget: Math.min(Math.max(wanted, min), max) };
}

function tokensOf(effort: Effort): number {
  return BUDGETS.find(([name]) => name === effort)![1];
}

/** The nearest effort not above a budget; a budget that is not 0 is never "none". */
function effortOf(budgetTokens: number): Effort {
  const below = BUDGETS.filter(([, tokens]) => tokens <= budgetTokens).at(-1)?.[0] ?? 'none';
  return below === 'none' && budgetTokens > 0 ? 'minimal' : below;
}
