import { expect, test } from 'vitest';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import type { ChatDialect } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';
import { geminiDialect } from '#translation/dialects/gemini/dialect.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

/** Arguments are numbers as a model wrote them: an id of 20 digits is another one when it is rounded. */
const ARGS = '{"id":12345678901234567890,"x":0.10000000000000000001}';
const TARGET = { model: 'g', stream: false, framing: 'sse' } as const;
const FACTS = { upstreamModel: 'm', defaultMaxTokens: 9, host: 'example.com' };
const REQUESTS: readonly (readonly [ChatDialect, string])[] = [
  [
    openaiChatDialect,
    `{"model":"g","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":${JSON.stringify(ARGS)}}}]}]}`,
  ],
  [
    anthropicDialect,
    `{"model":"g","max_tokens":9,"temperature":0.50000000000000000,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":${ARGS}}]}]}`,
  ],
  [
    geminiDialect,
    `{"generationConfig":{"temperature":0.50000000000000000},"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":${ARGS}}}]}]}`,
  ],
];

test.each(REQUESTS)('from $name they reach every provider as they are', (dialect, body) => {
  const request = dialect.readRequest(Buffer.from(body), TARGET);
  for (const { kind, chat } of Object.values(ADAPTERS)) {
    if (chat === null) continue;
    const written = chat.writeRequest(request, FACTS, createRefusals(kind, true)).toString();
    expect(written.replaceAll('\\"', '"'), kind).toContain(ARGS);
  }
});

const ANSWERS: Readonly<Record<string, string>> = {
  anthropic: `{"content":[{"type":"tool_use","id":"c1","name":"f","input":${ARGS}}],"stop_reason":"tool_use"}`,
  bedrock: `{"output":{"message":{"content":[{"toolUse":{"toolUseId":"c1","name":"f","input":${ARGS}}}]}},"stopReason":"tool_use"}`,
  google: `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${ARGS}}}]},"finishReason":"STOP"}]}`,
  openai: `{"choices":[{"message":{"tool_calls":[{"id":"c1","function":{"name":"f","arguments":${JSON.stringify(ARGS)}}}]},"finish_reason":"tool_calls"}]}`,
};

test.each(Object.entries(ANSWERS))('of %s they come back as they are', (kind, body) => {
  const [candidate] = ADAPTERS[kind as keyof typeof ADAPTERS].chat!.readReply(Buffer.from(body)).candidates;
  expect(candidate!.parts[0]).toMatchObject({ type: 'tool_call', arguments: ARGS });
});

test('of Anthropic, where a block begins with all of them', () => {
  const reader = ADAPTERS.anthropic.chat!.openReader();
  const events: ChatEvent[] = [];
  const block = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c1","name":"f","input":${ARGS}}}`;
  const stream = `data: {"type":"message_start","message":{}}\n\ndata: ${block}\n\ndata: {"type":"content_block_stop","index":0}\n\n`;
  reader.push(Buffer.from(stream), (event) => events.push(event));
  expect(events).toContainEqual({ type: 'delta', candidate: 0, part: 0, kind: 'text', text: ARGS });
});
