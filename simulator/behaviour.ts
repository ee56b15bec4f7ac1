import { z } from 'zod';

const ms = z.number().min(0).max(3_600_000);
const rate = z.number().min(0).max(1);
const tokens = z.int().min(0).max(1_000_000);

/** A time in milliseconds, drawn anew for each request. */
const distribution = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('fixed'), ms }),
  z
    .strictObject({ kind: z.literal('uniform'), minMs: ms, maxMs: ms })
    .refine((value) => value.minMs <= value.maxMs, 'minMs must not exceed maxMs'),
  z
    .strictObject({ kind: z.literal('lognormal'), medianMs: ms.positive(), p95Ms: ms })
    .refine((value) => value.medianMs <= value.p95Ms, 'medianMs must not exceed p95Ms'),
]);

const injectedError = z.strictObject({
  status: z.int().min(400).max(599),
  rate,
  /** Sent as Retry-After; a 429 without it says 1. */
  retryAfterSeconds: z.int().min(0).optional(),
  message: z.string().optional(),
});

/**
 * How one model behaves. Times: a stream sends its headers after `latencyMs`, its first token `firstTokenMs` later and
 * the others at `tokensPerSecond`; a plain answer is sent when the stream would have ended.
 */
export const behaviourSchema = z.strictObject({
  latencyMs: distribution.default({ kind: 'fixed', ms: 0 }),
  firstTokenMs: distribution.default({ kind: 'fixed', ms: 0 }),
  /** null: as fast as the client reads. */
  tokensPerSecond: z.number().positive().nullable().default(null),
  answerTokens: tokens.default(32),
  /** Reasoning: counted in the usage, and against the caller's limit; shown only where the request asks and the dialect can. */
  reasoningTokens: tokens.default(0),
  /** Chat completions show thoughts to who sets an effort, as DeepSeek and vLLM do; false: never, as OpenAI. */
  showsReasoning: z.boolean().default(true),
  /** What it says instead of words drawn at random; null: `answerTokens` words. */
  answerText: z.string().max(1_000_000).nullable().default(null),
  /** How many tools it calls where it may; null: one where it must, none where it only may. */
  toolCalls: z.int().min(0).max(64).nullable().default(null),
  /** How its answers end, in place of their natural end. */
  finish: z.enum(['content_filter', 'refusal']).nullable().default(null),
  /** How much of the prompt (at most all of it) the usage calls cached. */
  cachedPromptTokens: tokens.default(0),
  /** At most one of them happens to a request, so their rates sum to 1 at most. */
  errors: z
    .array(injectedError)
    .refine((errors) => errors.reduce((sum, error) => sum + error.rate, 0) <= 1 + 1e-9, 'rates must sum to 1 at most')
    .default([]),
  /** After this many tokens a stream says that it failed, in its dialect's words, and ends. Plain answers do not fail so. */
  streamError: z
    .strictObject({ afterTokens: tokens, status: z.int().min(400).max(599), message: z.string().optional() })
    .nullable()
    .default(null),
  /** The connection is destroyed after `resetAfterTokens` tokens, or that far into a plain body. */
  resetRate: rate.default(0),
  resetAfterTokens: tokens.default(4),
  resetBeforeHeadersRate: rate.default(0),
  /** Accepted and never answered. */
  blackHoleRate: rate.default(0),
  /** Falls silent after this many tokens, with the connection open. */
  stallAfterTokens: tokens.nullable().default(null),
  /** Ends the body cleanly in its middle: no finish reason, no usage, no terminator. */
  truncate: z.boolean().default(false),
  /** Compresses the answer, whether or not the client offered to take it. */
  gzip: z.boolean().default(false),
  /** 200 with a web page, as a captive portal or a misconfigured proxy answers. */
  htmlAnswer: z.boolean().default(false),
  /** `on-last-choice`: in the stream's last chunk that has choices, asked for or not. */
  usage: z.enum(['full', 'missing', 'zero', 'on-last-choice']).default('full'),
  /** The stream is whole but for its terminator (`[DONE]`). */
  omitDone: z.boolean().default(false),
  eventSeparator: z.enum(['\n\n', '\r\n\r\n']).default('\n\n'),
  /** `bytes`: the body arrives in pieces of so many bytes, whatever they cut through. */
  chunking: z.union([z.literal('event'), z.strictObject({ bytes: z.int().min(1) })]).default('event'),
});

/** A complete behaviour. */
export type Behaviour = Readonly<z.output<typeof behaviourSchema>>;
/** A behaviour as written: whatever is left out has its default. */
export type BehaviourInput = z.input<typeof behaviourSchema>;
export type Distribution = z.output<typeof distribution>;
export type InjectedError = z.output<typeof injectedError>;

export const DEFAULT_BEHAVIOUR: Behaviour = Object.freeze(behaviourSchema.parse({}));

export type ParsedBehaviour =
  | { readonly kind: 'behaviour'; readonly behaviour: Behaviour }
  | { readonly kind: 'invalid'; readonly message: string };

/** Reads JSON text as a behaviour; what it leaves out is taken from `base`. */
export function parseBehaviour(json: string, base: Behaviour = DEFAULT_BEHAVIOUR): ParsedBehaviour {
  let input: unknown;
  try {
    input = JSON.parse(json);
  } catch {
    return { kind: 'invalid', message: 'a behaviour must be JSON' };
  }
  const whole = typeof input === 'object' && input !== null && !Array.isArray(input) ? { ...base, ...input } : input;
  const parsed = behaviourSchema.safeParse(whole);
  if (parsed.success) return { kind: 'behaviour', behaviour: Object.freeze(parsed.data) };
  return { kind: 'invalid', message: z.prettifyError(parsed.error) };
}
