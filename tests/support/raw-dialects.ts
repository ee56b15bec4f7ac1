/** One ingress dialect as its callers' bodies spell it, without an SDK in between. */
export interface RawDialect {
  readonly name: 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini';
  /** The kind that speaks it itself, and one to which it is translated. */
  readonly native: string;
  readonly foreign: string;
  path(group: string, stream: boolean): string;
  /** A good request; `more` goes over it. */
  body(group: string, stream: boolean, more?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** A user's turn with this content. */
  turns(...texts: readonly string[]): Readonly<Record<string, unknown>>;
  /** A conversation in which the model called a tool with these arguments, where they are a text; else with such an object. */
  called(json: string): Readonly<Record<string, unknown>> | null;
  /** A user's turn with an image. */
  image(base64: string): Readonly<Record<string, unknown>>;
  errorOf(body: unknown): { readonly message: string; readonly param: string | null };
  /** What ends a stream well. */
  readonly terminal: RegExp;
  /** What an error in a stream looks like. */
  readonly failure: RegExp;
}

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly param?: string | null;
    readonly details?: readonly { readonly fieldViolations?: readonly { readonly field: string }[] }[];
  };
}

const openaiError = (body: unknown) => {
  const { message, param } = (body as ErrorBody).error;
  return { message, param: param ?? null };
};

export const RAW_DIALECTS: readonly RawDialect[] = [
  {
    name: 'openai-chat',
    native: 'openai',
    foreign: 'anthropic',
    path: () => '/v1/chat/completions',
    body: (model, stream, more = {}) => ({ model, stream, messages: [{ role: 'user', content: 'Hello' }], ...more }),
    turns: (...texts) => ({
      messages: texts.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content })),
    }),
    called: (json) => ({
      messages: [
        { role: 'user', content: 'Hello' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: json } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'done' },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
    }),
    image: (base64) => ({
      messages: [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${base64}` } }],
        },
      ],
    }),
    errorOf: openaiError,
    terminal: /data: \[DONE\]\n\n$/,
    failure: /data: \{"error":\{/,
  },
  {
    name: 'openai-responses',
    native: 'openai',
    foreign: 'anthropic',
    path: () => '/v1/responses',
    body: (model, stream, more = {}) => ({ model, stream, input: 'Hello', ...more }),
    turns: (...texts) => ({
      input: texts.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content })),
    }),
    called: (json) => ({
      input: [
        { role: 'user', content: 'Hello' },
        { type: 'function_call', call_id: 'call_1', name: 'f', arguments: json },
        { type: 'function_call_output', call_id: 'call_1', output: 'done' },
      ],
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false }],
    }),
    image: (base64) => ({
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${base64}` }] }],
    }),
    errorOf: openaiError,
    terminal: /event: response\.completed\ndata: .*\n\n$/,
    failure: /event: error\ndata: \{"type":"error"/,
  },
  {
    name: 'anthropic',
    native: 'anthropic',
    foreign: 'openai',
    path: () => '/v1/messages',
    body: (model, stream, more = {}) => ({
      model,
      stream,
      max_tokens: 64,
      messages: [{ role: 'user', content: 'Hello' }],
      ...more,
    }),
    turns: (...texts) => ({
      messages: texts.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content })),
    }),
    called: () => null,
    image: (base64) => ({
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64 } }],
        },
      ],
    }),
    errorOf: (body) => ({ message: (body as ErrorBody).error.message, param: null }),
    terminal: /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/,
    failure: /event: error\ndata: \{"type":"error"/,
  },
  {
    name: 'gemini',
    native: 'google',
    foreign: 'openai',
    path: (group, stream) =>
      stream ? `/v1beta/models/${group}:streamGenerateContent?alt=sse` : `/v1beta/models/${group}:generateContent`,
    body: (_, __, more = {}) => ({ contents: [{ role: 'user', parts: [{ text: 'Hello' }] }], ...more }),
    turns: (...texts) => ({
      contents: texts.map((text, index) => ({ role: index % 2 === 0 ? 'user' : 'model', parts: [{ text }] })),
    }),
    called: () => null,
    image: (base64) => ({
      contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: base64 } }] }],
    }),
    errorOf: (body) => {
      const { message, details = [] } = (body as ErrorBody).error;
      const fields = details.flatMap(({ fieldViolations = [] }) => fieldViolations.map(({ field }) => field));
      return { message, param: fields[0] ?? null };
    },
    terminal: /"finishReason":"STOP".*\n\n$/,
    failure: /data: \{"error":\{/,
  },
];
