import { z } from 'zod';

/**
 * How a provider with an HTTP API of its own is asked and how its answers are read, declared as data: docs/custom-providers.md. Checked
 * when it is saved; gateways compile it once per deployment (gateway/providers/custom).
 */

/** What a template may pick with `{"$from": name}`, all from the caller's request whatever its dialect. */
const CONVERSATION_PICKS = ['messages', 'prompt', 'system'] as const;
/** Settings by OpenAI's names of them; absent where the caller gave none. */
const SETTING_PICKS = [
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'user',
] as const;
const PICK_NAMES = ['model', 'stream', 'tools', ...CONVERSATION_PICKS, ...SETTING_PICKS] as const;
export type PickName = (typeof PICK_NAMES)[number];

/** Why an answer ended, in the gateway's words; what a provider's own word may be mapped to. */
const FINISHES = ['stop', 'stop_sequence', 'length', 'tool_calls', 'content_filter', 'refusal', 'other'] as const;

const MAX_TEMPLATE_BYTES = 65_536;
const MAX_TEMPLATE_DEPTH = 32;
const MAX_POINTER_CHARS = 256;

const pointer = z
  .string()
  .max(MAX_POINTER_CHARS)
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'is no JSON Pointer (RFC 6901): "" or "/key/0/key"');

const segment = z.union([
  z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9._~:@!$&'()*+,;=-]{1,256}$/, 'is no part of a path'),
  z.strictObject({ $from: z.literal('model') }),
]);
/** Parts between slashes; `{"$from": "model"}` is the upstream model's name, percent-encoded. */
const path = z.array(segment).min(1).max(32);

const finishReason = z.strictObject({ at: pointer, map: z.record(z.string().max(100), z.enum(FINISHES)).default({}) });
const usage = z.strictObject({
  inputTokens: pointer.optional(),
  outputTokens: pointer.optional(),
  cachedTokens: pointer.optional(),
  reasoningTokens: pointer.optional(),
});

const reply = z.strictObject({
  text: pointer,
  reasoning: pointer.optional(),
  /** A list of calls as OpenAI writes them. */
  toolCalls: pointer.optional(),
  finishReason: finishReason.optional(),
  usage: usage.optional(),
  id: pointer.optional(),
  model: pointer.optional(),
});

const scalar = z.union([z.string().max(256), z.number(), z.boolean()]);

const stream = z.strictObject({
  framing: z.enum(['sse', 'ndjson']),
  /** Where the endpoint that streams is, if not where the other one is. */
  path: path.optional(),
  delta: pointer,
  reasoningDelta: pointer.optional(),
  finishReason: finishReason.optional(),
  usage: usage.optional(),
  /** Set in an event that reports a failure. */
  error: pointer.optional(),
  /** The event after which nothing comes: its text, or a value in it. Without it the stream ends where it is closed. */
  done: z
    .union([z.strictObject({ data: z.string().min(1).max(256) }), z.strictObject({ at: pointer, equals: scalar })])
    .optional(),
});

export const customProviderSchema = z
  .strictObject({
    path: path.optional(),
    request: z.record(z.string(), z.unknown()).optional(),
    reply: reply.optional(),
    stream: stream.optional(),
    /** Where the body of an error has its text. */
    errorMessage: pointer.optional(),
    /** Whether `messages` may hold images. */
    images: z.boolean().default(false),
    /** Where tensors are inferred: bodies of the Open Inference Protocol, which go on as they are. */
    infer: z.strictObject({ path }).optional(),
  })
  .superRefine(({ path: chatPath, request, reply: answer, infer }, context) => {
    const says = (message: string, at: (string | number)[] = ['request']) =>
      context.addIssue({ code: 'custom', path: at, message });
    const parts = { path: chatPath, request, reply: answer };
    const missing = Object.entries(parts).filter(([, part]) => part === undefined);
    if (missing.length === 3 && infer !== undefined) return;
    for (const [name] of missing) says('is missing', [name]);
    if (request === undefined || answer === undefined) return;
    const found = checkTemplate(request, (at, message) => says(message, ['request', ...at]));
    if (!found.has('messages') && !found.has('prompt')) {
      says('picks neither messages nor prompt: nothing of the chat would be sent');
    }
    if (found.has('tools') && answer.toolCalls === undefined) {
      says('must be set where the request picks tools', ['reply', 'toolCalls']);
    }
  });

export type CustomProvider = z.output<typeof customProviderSchema>;
/** One that chats. */
export type CustomChat = CustomProvider & {
  readonly [Part in 'path' | 'request' | 'reply']: NonNullable<CustomProvider[Part]>;
};

/** Null for one that only infers tensors. */
export function chatOf(provider: CustomProvider): CustomChat | null {
  const { path: chatPath, request, reply: answer } = provider;
  if (chatPath === undefined || request === undefined || answer === undefined) return null;
  return { ...provider, path: chatPath, request, reply: answer };
}

type Report = (at: (string | number)[], message: string) => void;

/** Walks a template and gives the names that it picks. */
function checkTemplate(template: unknown, report: Report): ReadonlySet<string> {
  const picks = new Set<string>();
  // First, as the length of what is too deep cannot be told.
  if (isDeeper(template, MAX_TEMPLATE_DEPTH)) {
    report([], `is nested deeper than ${MAX_TEMPLATE_DEPTH}`);
    return picks;
  }
  if (JSON.stringify(template).length > MAX_TEMPLATE_BYTES) {
    report([], `is longer than ${MAX_TEMPLATE_BYTES} characters`);
    return picks;
  }
  const walk = (value: unknown, at: (string | number)[]): void => {
    if (Array.isArray(value)) return value.forEach((item, index) => void walk(item, [...at, index]));
    if (typeof value !== 'object' || value === null) return;
    const entries = Object.entries(value);
    const directive = entries.find(([key]) => key.startsWith('$'))?.[0];
    if (directive === undefined) {
      for (const [key, item] of entries) walk(item, [...at, key]);
      return;
    }
    if (directive === '$literal' && entries.length === 1) return;
    const { $from, $else: _else, ...others } = value as Record<string, unknown>;
    if ($from === undefined || Object.keys(others).length > 0) {
      return report(at, 'holds keys that begin with "$": only {"$from": …, "$else": …} and {"$literal": …} are known');
    }
    if (!(PICK_NAMES as readonly unknown[]).includes($from)) {
      return report(at, `picks ${JSON.stringify($from)}; $from must be one of ${PICK_NAMES.join(', ')}`);
    }
    picks.add(String($from));
  };
  walk(template, []);
  return picks;
}

/** Level by level, so that no nesting runs out of stack. */
function isDeeper(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}

export type ParsedCustomProvider =
  | { readonly kind: 'ok'; readonly provider: CustomProvider }
  | { readonly kind: 'invalid'; readonly issues: readonly { readonly field: string; readonly message: string }[] };

/** Reads a definition; issues name the field as it stands in it: `request.options.max`. */
export function parseCustomProvider(value: unknown): ParsedCustomProvider {
  const parsed = customProviderSchema.safeParse(value);
  if (parsed.success) return { kind: 'ok', provider: parsed.data };
  return {
    kind: 'invalid',
    issues: parsed.error.issues.map((issue) => ({ field: z.core.toDotPath(issue.path), message: issue.message })),
  };
}
