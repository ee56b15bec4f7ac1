import { describe, expect, test } from 'vitest';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import type { ModelPart, UserPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, NO_SETTINGS, type Setting, type Settings, type Tool } from '#translation/chat/request.ts';

/**
 * Nothing is lost silently: whatever a request can say is in the body that a provider gets (it differs from the one without it), or is refused by
 * its name, or is named among what was dropped.
 */
const ALL = Object.values(ADAPTERS).flatMap(({ kind, chat }) => (chat === null ? [] : [{ kind, chat }]));
/** Each kind, and the servers and models of one that differ from the others of it. */
const KINDS = [
  ...ALL.map((one) => ({ ...one, upstreamModel: 'm', host: 'api.openai.com' })),
  ...ALL.filter(({ kind }) => kind === 'openai').map((one) => ({ ...one, upstreamModel: 'm', host: 'vllm' })),
  ...ALL.filter(({ kind }) => kind === 'huggingface').map((one) => ({ ...one, upstreamModel: 'tgi', host: 'tgi' })),
  ...ALL.filter(({ kind }) => kind === 'anthropic').map((one) => ({
    ...one,
    upstreamModel: 'claude-sonnet-4-5',
    host: '',
  })),
  ...ALL.filter(({ kind }) => kind === 'google').map((one) => ({ ...one, upstreamModel: 'gemini-2.5-pro', host: '' })),
  ...ALL.filter(({ kind }) => kind === 'google').map((one) => ({ ...one, upstreamModel: 'gemini-3-pro', host: '' })),
  ...ALL.filter(({ kind }) => kind === 'bedrock').map((one) => ({
    ...one,
    upstreamModel: 'anthropic.claude-3',
    host: '',
  })),
];
const TOOL: Tool = { at: 'TOOL', name: 'f', description: null, parameters: null, strict: null, cache: null };
const BASE = { at: 'PART', cache: null } as const;

const VALUES: { readonly [Name in Setting]: NonNullable<Settings[Name]> } = {
  maxTokens: 1_234,
  temperature: 0.25,
  topP: 0.5,
  topK: 7,
  seed: 99,
  stop: ['END'],
  frequencyPenalty: 0.5,
  presencePenalty: 0.5,
  logitBias: { '5': 1 },
  logprobs: true,
  topLogprobs: 3,
  candidates: 2,
  toolChoice: { kind: 'required' },
  parallelToolCalls: false,
  output: { kind: 'json_schema', name: 'n', description: null, schema: { type: 'object' }, strict: true },
  reasoning: { effort: 'low', budgetTokens: null, show: null, adaptive: false },
  user: 'u1',
  promptCacheKey: 'k1',
  verbosity: 'low',
  serviceTier: 'flex',
};

function requestOf(changes: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: 'g',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [{ role: 'user', at: 'm', name: null, parts: [{ ...BASE, type: 'text', text: 'Hello', citations: [] }] }],
    tools: [TOOL],
    settings: NO_SETTINGS,
    spelling: {},
    extras: [],
    ...changes,
  };
}

/** What becomes of a request: its body and what was dropped, or the refusal. */
function fateOf({ chat, kind, upstreamModel, host }: (typeof KINDS)[number], request: ChatRequest): string {
  const refusals = createRefusals(kind, false);
  try {
    const facts = { upstreamModel, defaultMaxTokens: 4_096, host };
    const body = chat.writeRequest(request, facts, refusals).toString();
    return `${body} dropped: ${refusals.dropped}`;
  } catch (reason) {
    return `refused: ${String(reason)}`;
  }
}

describe.each(KINDS)('$kind $upstreamModel $host', (translation) => {
  test.each(Object.entries(VALUES))('%s', (name, value) => {
    const settings = { ...NO_SETTINGS, [name]: value };
    expect(fateOf(translation, requestOf({ settings }))).not.toBe(fateOf(translation, requestOf()));
  });

  test('a cache mark, on a text, on instructions and on a tool', () => {
    const text = { ...BASE, type: 'text', text: 'Hello', citations: [] } as const;
    const cache = { ttl: null };
    const system = (mark: typeof cache | null) => requestOf({ system: [{ ...text, cache: mark }] });
    expect(fateOf(translation, system(cache))).not.toBe(fateOf(translation, system(null)));
    const parts = [{ ...text, cache }];
    const marked = [requestOf({ messages: [{ role: 'user', at: 'm', name: null, parts }] })];
    marked.push(requestOf({ tools: [{ ...TOOL, cache }] }));
    for (const request of marked) expect(fateOf(translation, request)).not.toBe(fateOf(translation, requestOf()));
  });

  const parts: readonly UserPart[] = [
    { ...BASE, type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'MARK' }, detail: null },
    { ...BASE, type: 'image', source: { kind: 'url', url: 'https://MARK/x.png' }, detail: null },
    { ...BASE, type: 'image', source: { kind: 'file', fileId: 'MARK', mediaType: null }, detail: null },
    {
      ...BASE,
      type: 'document',
      source: { kind: 'base64', mediaType: 'application/pdf', data: 'MARK' },
      title: null,
      citations: false,
    },
    { ...BASE, type: 'document', source: { kind: 'text', text: 'MARK' }, title: null, citations: false },
    { ...BASE, type: 'document', source: { kind: 'url', url: 'https://MARK/x.pdf' }, title: null, citations: false },
    { ...BASE, type: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'MARK' } },
    { ...BASE, type: 'video', source: { kind: 'base64', mediaType: 'video/mp4', data: 'MARK' } },
  ];
  test.each(parts)('a user’s $type of $source.kind', (part) => {
    const fate = fateOf(translation, requestOf({ messages: [{ role: 'user', at: 'm', name: null, parts: [part] }] }));
    expect(fate).toMatch(/MARK|TUFSSw|refused: .*PART/);
  });

  const said: readonly ModelPart[] = [
    { ...BASE, type: 'text', text: 'MARK', citations: [] },
    { ...BASE, type: 'refusal', text: 'MARK' },
    { ...BASE, type: 'reasoning', text: 'MARK', signature: null, redacted: null },
    { ...BASE, type: 'reasoning', text: 'MARK', signature: { origin: 'openai', value: 'x' }, redacted: null },
    { ...BASE, type: 'tool_call', id: 'c1', name: 'MARK', arguments: '{}', signature: null },
    { ...BASE, type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'MARK' }, detail: null },
    { ...BASE, type: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'MARK' } },
  ];
  test.each(said)('a model’s $type', (part) => {
    const [first] = requestOf().messages;
    const fate = fateOf(
      translation,
      requestOf({ messages: [first!, { role: 'assistant', at: 'm', name: null, parts: [part] }, first!] }),
    );
    expect(fate).toMatch(/MARK|PART/);
  });

  test.each([
    [
      'detail of an image',
      { ...BASE, type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' }, detail: 'low' },
      { detail: null },
    ],
    [
      'citations of a document',
      { ...BASE, type: 'document', source: { kind: 'text', text: 'x' }, title: null, citations: true },
      { citations: false },
    ],
    [
      'title of a document',
      { ...BASE, type: 'document', source: { kind: 'text', text: 'x' }, title: 'T', citations: false },
      { title: null },
    ],
    [
      'a failed result',
      {
        ...BASE,
        type: 'tool_result',
        callId: 'c',
        name: 'f',
        parts: [{ ...BASE, type: 'text', text: 'x', citations: [] }],
        isError: true,
      },
      { isError: false },
    ],
  ] as const)('%s', (_, part, without) => {
    const fate = (one: object) =>
      fateOf(translation, requestOf({ messages: [{ role: 'user', at: 'm', name: null, parts: [one as UserPart] }] }));
    expect(fate(part)).not.toBe(fate({ ...part, ...without }));
  });

  test.each([
    ['strict', { strict: true }],
    ['description', { description: 'd' }],
    ['parameters', { parameters: { type: 'object', properties: { a: {} } } }],
  ] as const)('%s of a tool', (_, change) => {
    expect(fateOf(translation, requestOf({ tools: [{ ...TOOL, ...change }] }))).not.toBe(
      fateOf(translation, requestOf()),
    );
  });

  test('the name of a speaker, and instructions amid a conversation', () => {
    const [first] = requestOf().messages;
    const named = { ...first!, name: 'MARK', at: 'PART' } as ChatRequest['messages'][number];
    expect(fateOf(translation, requestOf({ messages: [named] }))).toMatch(/MARK|refused: .*PART/);
    const amid = {
      role: 'system',
      at: 'PART',
      parts: [{ ...BASE, type: 'text', text: 'MARK', citations: [] }],
    } as const;
    expect(fateOf(translation, requestOf({ messages: [first!, amid, first!] }))).toMatch(/MARK|refused: .*PART/);
  });
});
