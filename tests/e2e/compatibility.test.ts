import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROVIDER_KINDS } from '#core/names.ts';
import { FEATURES } from '#gateway/providers/capabilities.ts';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import { anthropicClient } from '../support/chat-clients/anthropic.ts';
import type { ChatClient } from '../support/chat-clients/client.ts';
import { geminiClient } from '../support/chat-clients/gemini.ts';
import { openaiChatClient } from '../support/chat-clients/openai-chat.ts';
import { openaiResponsesClient } from '../support/chat-clients/openai-responses.ts';
import { type Bench, SCENARIOS } from '../support/chat-clients/scenarios.ts';
import { type Stack, startStack } from '../support/stack.ts';

/**
 * Every ingress dialect, through its official SDK, against every provider kind that can chat. The table is docs/compatibility.md: a cell
 * that changes fails here until the page is written anew (`npx vitest run -u tests/e2e/compatibility.test.ts`).
 */
const KINDS: readonly {
  readonly kind: string;
  readonly path: string;
  readonly apiKey?: string;
  readonly definition?: object;
}[] = [
  { kind: 'openai', path: '/v1' },
  { kind: 'azure-openai', path: '' },
  { kind: 'anthropic', path: '/v1' },
  { kind: 'google', path: '/v1beta' },
  {
    kind: 'bedrock',
    path: '',
    apiKey: JSON.stringify({ accessKeyId: 'AKIDPLANTED', secretAccessKey: 'sk-planted-canary', region: 'us-east-1' }),
  },
  { kind: 'cohere', path: '/cohere' },
  { kind: 'mistral', path: '/mistral/v1' },
  { kind: 'huggingface', path: '/huggingface/v1' },
  { kind: 'simulator', path: '/v1' },
  {
    kind: 'custom',
    path: '/mistral/v1',
    // As much of Mistral's API as a definition without tools can say.
    definition: {
      path: ['chat', 'completions'],
      request: {
        ...Object.fromEntries(
          ['model', 'messages', 'max_tokens', 'stop', 'response_format'].map((name) => [name, { $from: name }]),
        ),
        stream: { $from: 'stream' },
      },
      images: true,
      reply: {
        text: '/choices/0/message/content',
        finishReason: { at: '/choices/0/finish_reason' },
        usage: { inputTokens: '/usage/prompt_tokens', outputTokens: '/usage/completion_tokens' },
      },
      stream: {
        framing: 'sse',
        delta: '/choices/0/delta/content',
        finishReason: { at: '/choices/0/finish_reason' },
        usage: { inputTokens: '/usage/prompt_tokens', outputTokens: '/usage/completion_tokens' },
        error: '/error',
        done: { data: '[DONE]' },
      },
      errorMessage: '/error/message',
    },
  },
];
const DIALECTS = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const;
const CLIENTS: Readonly<Record<(typeof DIALECTS)[number], (url: string, key: string) => ChatClient>> = {
  'openai-chat': openaiChatClient,
  'openai-responses': openaiResponsesClient,
  anthropic: anthropicClient,
  gemini: geminiClient,
};
const SECRET = 'sk-planted-canary';

let stack: Stack;
let key: string;
const table = new Map<string, string>();

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  for (const { kind, path, apiKey = SECRET, definition } of KINDS) {
    const baseUrl = `${stack.simulatorUrl}${path}`;
    await must('POST', '/providers', { name: kind, kind, baseUrl, apiKey, definition });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    await must('POST', '/groups', { name: kind });
    await must('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'matrix' })).key;
});
afterAll(() => stack.stop());

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

function benchOf(client: ChatClient, kind: string): Bench {
  const model = `sim-${kind}`;
  let seen = 0;
  const requests = async () => {
    const answer = await fetch(`${stack.simulatorUrl}/_sim/requests?model=${model}&limit=1000`);
    return ((await answer.json()) as { items: { body: string; aborted: boolean }[] }).items;
  };
  return {
    client,
    group: kind,
    async behave(behaviour) {
      const put = { method: 'PUT', body: JSON.stringify(behaviour) };
      const answer = await fetch(`${stack.simulatorUrl}/_sim/models/${model}`, put);
      expect(answer.status).toBeLessThan(300);
      seen = (await requests()).length;
    },
    received: async () => (await requests()).slice(seen),
  };
}

/** "Cannot be expressed": a 400 that says what, in the caller's words. */
function refusalOf(client: ChatClient, error: unknown): string | null {
  const { status, message } = client.failureOf(error);
  // In the same dialect it is the provider that knows no such parameter.
  const said = /(?:"|\\")([^"\\]+)(?:"|\\") cannot be sent on|Unknown parameter: '([^']+)'/.exec(message);
  return status === 400 && said !== null ? `no: \`${said[1] ?? said[2]}\`` : null;
}

describe.each(DIALECTS)('from %s', (dialect) => {
  describe.each(KINDS)('to $kind', ({ kind }) => {
    test.each(SCENARIOS)('$name', async ({ name, run }) => {
      const client = CLIENTS[dialect](stack.gatewayUrl, key);
      let cell: string;
      try {
        cell = (await run(benchOf(client, kind))) ?? 'yes';
      } catch (error) {
        const refused = refusalOf(client, error);
        table.set(`${dialect} ${kind} ${name}`, refused ?? 'FAILS');
        if (refused === null) throw error;
        return;
      }
      table.set(`${dialect} ${kind} ${name}`, cell);
    });
  });
});

test('docs/compatibility.md says what these tests saw', async () => {
  await expect(renderPage()).toMatchFileSnapshot('../../docs/compatibility.md');
});

function renderPage(): string {
  const scenarios = SCENARIOS.map(({ name }) => name);
  const sections = DIALECTS.map((dialect) => {
    const rows = KINDS.map(({ kind }) => {
      const cells = scenarios.map((name) => table.get(`${dialect} ${kind} ${name}`) ?? 'not run');
      return `| ${kind} | ${cells.join(' | ')} |`;
    });
    return [
      `## ${dialect}: ${CLIENTS[dialect]('http://127.0.0.1', 'none').sdk}`,
      '',
      `| provider | ${scenarios.join(' | ')} |`,
      `| --- |${' --- |'.repeat(scenarios.length)}`,
      ...rows,
      '',
    ].join('\n');
  });
  return `${INTRODUCTION}\n${sections.join('\n')}\n${renderCapabilities()}`;
}

/** What each kind can be told, as its folder says; tests/contract/provider-adapter.test.ts holds it against the code. */
function renderCapabilities(): string {
  const chats = PROVIDER_KINDS.filter((kind) => kind === 'custom' || ADAPTERS[kind].chat !== null);
  const rows = chats.map((kind) => {
    const { capabilities } = ADAPTERS[kind];
    return `| ${kind} | ${FEATURES.map((feature) => (capabilities[feature] ? 'yes' : 'no')).join(' | ')} |`;
  });
  const limits = chats.flatMap((kind) => ADAPTERS[kind].limits.map((limit) => `- ${kind}: ${limit}`));
  return [
    '## What a provider kind can be told',
    '',
    'Whether a model can do it is another matter. "no" is a 400 that names the parameter, or, where the group is `lenient`, a parameter left out.',
    '',
    `| provider | ${FEATURES.join(' | ')} |`,
    `| --- |${' --- |'.repeat(FEATURES.length)}`,
    ...rows,
    '',
    'Where "yes" is not the whole truth:',
    '',
    ...limits,
    '',
  ].join('\n');
}

const INTRODUCTION = `# Compatibility

Written by \`tests/e2e/compatibility.test.ts\`: each official SDK through a real gateway to the simulator, which speaks each provider's API. "yes": it
works, plain and streamed alike. "no": it cannot be expressed there, and is a 400 that names the parameter. A number is the status that the caller gets for that of
the provider: what is a matter between Ringside and the provider (its key, its failures) is a 502 or 503. "not shown": the provider keeps its thoughts to itself.
The fifth dialect, the Open Inference Protocol (\`/v2\`), carries tensors and no chats: it goes to providers of the kind \`oip\`, and to \`custom\` ones with \`infer\`.
`;
