/** What a scenario asks for, in no dialect's words. */
export interface Ask {
  readonly group: string;
  readonly prompt: string;
  readonly system?: string;
  readonly tools?: boolean;
  readonly toolChoice?: 'auto' | 'required';
  readonly parallel?: boolean;
  /** Goes on after these calls, with a result for each. */
  readonly results?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly image?: boolean;
  readonly schema?: boolean;
  readonly reasoning?: boolean;
  readonly stop?: string;
  readonly maxTokens?: number;
  readonly signal?: AbortSignal;
}

export interface Call {
  readonly id: string;
  readonly name: string;
  readonly arguments: unknown;
}

/** What came, as the official SDK's own types say it. */
export interface Outcome {
  readonly text: string;
  readonly calls: readonly Call[];
  readonly reasoning: string;
  /** In the words of translation/chat/reply.ts. */
  readonly finish: 'stop' | 'length' | 'tool_calls' | 'stop_sequence' | 'content_filter' | 'other';
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

export interface Failure {
  readonly status: number | undefined;
  readonly message: string;
}

/** One official SDK. `chat` and `stream` throw what the SDK throws; `failureOf` reads it. */
export interface ChatClient {
  readonly dialect: string;
  readonly sdk: string;
  chat(ask: Ask): Promise<Outcome>;
  /** Accumulated by the SDK's own helper where it has one. */
  stream(ask: Ask): Promise<Outcome>;
  failureOf(error: unknown): Failure;
}

export const WEATHER = {
  name: 'get_weather',
  description: 'The weather at a place',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
    additionalProperties: false,
  },
} as const;

export const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
} as const;

/** A PNG of one pixel, base64. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const RESULT = '{"celsius":21}';
