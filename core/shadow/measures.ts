import type { FirstAttempt } from '../experiments/first-attempt.ts';
import { compareTensors, type Tensor } from './tensors.ts';
import { tokenSimilarity, trigramSimilarity } from './text-similarity.ts';
import { type ToolCall, toolCallAgreement } from './tool-calls.ts';

/** An answer, as far as it can be compared. */
export type ComparedAnswer =
  | { readonly kind: 'chat'; readonly text: string; readonly toolCalls: readonly ToolCall[] }
  | { readonly kind: 'tensors'; readonly tensors: readonly Tensor[] };

/** One side of a pair: the inference of a caller, or the mirrored call. Null: not known. */
export interface PairSide {
  readonly firstAttempt: FirstAttempt;
  /** Of the first attempt. */
  readonly latencyUs: number | null;
  readonly costMicroUsd: number | null;
  readonly outputTokens: number | null;
  /** Null when it was not captured, or was cut, or cannot be read. */
  readonly answer: ComparedAnswer | null;
  /** Whether the answer has the form that the request asked for; null when it asked for none or nobody could check it. */
  readonly isSchemaValid: boolean | null;
}

/** What was measured of a pair, by name; what could not be measured lacks: it is not zero. */
export type PairMeasures = Readonly<Record<string, number>>;

/**
 * The measures of every pair. `difference`: shadow minus original, whose mean is compared with 0. `level`: a figure of the two together,
 * whose mean is shown. Beside them stand the levels `tensor.<output>.<figure>`.
 */
export const PAIR_MEASURES = {
  failure: { kind: 'difference', about: 'first attempts that failed: 1, 0 or −1' },
  latency_us: { kind: 'difference', about: 'duration of first attempts, where both succeeded' },
  cost_micro_usd: { kind: 'difference', about: 'cost, where both are known' },
  output_tokens: { kind: 'difference', about: 'tokens of the answer, where both are known' },
  schema_validity: { kind: 'difference', about: 'answers in the form that the request asked for: 1, 0 or −1' },
  both_failed: { kind: 'level', about: 'pairs of which both first attempts failed' },
  length_log_ratio: { kind: 'difference', about: 'ln of characters of the shadow’s text by the original’s' },
  text_similarity: { kind: 'level', about: 'share of words in both texts, in order' },
  trigram_similarity: { kind: 'level', about: 'cosine of the texts’ character trigrams' },
  tool_call_agreement: { kind: 'level', about: 'share of tool calls in both, with equal arguments' },
  schema_valid_original: { kind: 'level', about: 'answers of the original in the form that the request asked for' },
  judge_score: {
    kind: 'difference',
    about: 'the evaluator prefers the shadow (1) or the original (−1), or says a tie',
  },
  judge_first_preference: {
    kind: 'difference',
    about: 'it prefers what it was shown first (1) or second (−1): bias of position',
  },
  judge_shadow_first: { kind: 'level', about: 'pairs of which the shadow was shown first' },
  schema_valid_shadow: { kind: 'level', about: 'the same of the shadow' },
} as const satisfies Record<string, { kind: MeasureKind; about: string }>;

/** `difference`: shadow minus original, so that 0 is "alike". `level`: of the two together. */
export type MeasureKind = 'difference' | 'level';

/** What a measure is. Those that are not in the table are of outputs, by name. */
export function describeMeasure(name: string): { readonly kind: MeasureKind; readonly about: string } {
  if (Object.hasOwn(PAIR_MEASURES, name)) return PAIR_MEASURES[name as keyof typeof PAIR_MEASURES];
  return { kind: 'level', about: 'an output of the model, compared number by number' };
}

/** Compares a mirrored call with the inference that it mirrors. */
export function comparePair(original: PairSide, shadow: PairSide): PairMeasures {
  const known = original.firstAttempt !== 'unknown' && shadow.firstAttempt !== 'unknown';
  const [failedFirst, failedSecond] = [original, shadow].map((side) => Number(side.firstAttempt === 'failed'));
  const bothSucceeded = original.firstAttempt === 'succeeded' && shadow.firstAttempt === 'succeeded';
  return present({
    failure: known ? failedSecond! - failedFirst! : null,
    both_failed: known ? failedSecond! * failedFirst! : null,
    latency_us: bothSucceeded ? minus(shadow.latencyUs, original.latencyUs) : null,
    cost_micro_usd: minus(shadow.costMicroUsd, original.costMicroUsd),
    output_tokens: minus(shadow.outputTokens, original.outputTokens),
    schema_valid_original: toNumber(original.isSchemaValid),
    schema_valid_shadow: toNumber(shadow.isSchemaValid),
    schema_validity: minus(toNumber(shadow.isSchemaValid), toNumber(original.isSchemaValid)),
    ...compareAnswers(original.answer, shadow.answer),
  });
}

function compareAnswers(a: ComparedAnswer | null, b: ComparedAnswer | null): Record<string, number | null> {
  if (a?.kind === 'chat' && b?.kind === 'chat') return compareChats(a, b);
  if (a?.kind !== 'tensors' || b?.kind !== 'tensors') return {};
  const figures = compareTensors(a.tensors, b.tensors).map(({ name, ...figure }) => ({
    [`tensor.${name}.same_shape`]: Number(figure.sameShape),
    [`tensor.${name}.mean_absolute`]: figure.meanAbsolute,
    [`tensor.${name}.mean_relative`]: figure.meanRelative,
    [`tensor.${name}.max_absolute`]: figure.maxAbsolute,
    [`tensor.${name}.rank_correlation`]: figure.rankCorrelation,
    [`tensor.${name}.stability_index`]: figure.stabilityIndex,
    [`tensor.${name}.original_mean`]: figure.originalMean,
    [`tensor.${name}.shadow_mean`]: figure.shadowMean,
  }));
  return Object.assign({}, ...figures) as Record<string, number | null>;
}

type Chat = Extract<ComparedAnswer, { kind: 'chat' }>;

function compareChats(a: Chat, b: Chat): Record<string, number | null> {
  // Where both only call tools there is no text that could be alike.
  const hasText = a.text !== '' || b.text !== '';
  return {
    length_log_ratio: a.text === '' || b.text === '' ? null : Math.log(b.text.length / a.text.length),
    text_similarity: hasText ? tokenSimilarity(a.text, b.text) : null,
    trigram_similarity: hasText ? trigramSimilarity(a.text, b.text) : null,
    tool_call_agreement: toolCallAgreement(a.toolCalls, b.toolCalls),
  };
}

function minus(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one - other;
}

function toNumber(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}

function present(measures: Readonly<Record<string, number | null>>): PairMeasures {
  const known = Object.entries(measures).filter(
    (entry): entry is [string, number] => entry[1] !== null && Number.isFinite(entry[1]),
  );
  return Object.fromEntries(known);
}
