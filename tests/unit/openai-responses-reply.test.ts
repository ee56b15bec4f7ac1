// The Response object after OpenAI's API reference, "The response object" (openai 7.55.0, resources/responses), read 2026-11.
import { expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { called, replyOf, said, thought } from '#tests/support/model-parts.ts';
import { FINISH_REASONS, NO_USAGE } from '#translation/chat/reply.ts';
import { openaiResponsesDialect as dialect } from '#translation/dialects/openai-responses/dialect.ts';

const INFERENCE = '019ad0c6-2c1e-7abc-8def-0123456789ab';
const HEX = '019ad0c62c1e7abc8def0123456789ab';

function contextOf(body: object) {
  const bytes = Buffer.from(JSON.stringify({ model: 'group', input: 'Hi', ...body }));
  const request = dialect.readRequest(bytes, { model: null, stream: null, framing: 'sse' });
  return { inferenceId: INFERENCE, createdUnixS: 1_795_000_000, request, framing: 'sse' } as const;
}
const write = (reply: Parameters<typeof dialect.writeReply>[0], body: object = {}) =>
  JSON.parse(dialect.writeReply(reply, contextOf(body)));

test('a whole answer, with what it repeats of the request', () => {
  const parts = [
    thought('Let me see.', { signature: { origin: 'anthropic', value: 'sig==' } }),
    said('It rains.'),
    called('weather', '{"city":"Oslo"}', { id: 'toolu_1', signature: { origin: 'google', value: 'g.s' } }),
    called('time', '{}', { id: null }),
  ];
  const parameters = { type: 'object', properties: {} };
  const asked = {
    instructions: 'Be brief.',
    metadata: { team: 'a' },
    temperature: 0,
    max_output_tokens: 50,
    reasoning: { effort: 'low', summary: 'auto' },
    text: { verbosity: 'low' },
    tool_choice: 'required',
    store: true,
  };
  const body = { ...asked, tools: [{ type: 'function', name: 'weather', parameters, strict: true }] };
  expect(write(replyOf(parts, { finish: 'tool_calls' }), body)).toEqual({
    id: `resp_${HEX}`,
    object: 'response',
    created_at: 1_795_000_000,
    status: 'completed',
    background: false,
    error: null,
    incomplete_details: null,
    max_tool_calls: null,
    model: 'upstream-model',
    output: [
      {
        id: `rs_${HEX}0000`,
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'Let me see.' }],
        encrypted_content: 'rs1.anthropic.sig==',
      },
      {
        id: `msg_${HEX}0001`,
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', annotations: [], logprobs: [], text: 'It rains.' }],
      },
      {
        id: `fc_${HEX}0002`,
        type: 'function_call',
        status: 'completed',
        arguments: '{"city":"Oslo"}',
        call_id: 'toolu_1',
        name: 'weather',
      },
      {
        id: `fc_${HEX}0003`,
        type: 'function_call',
        status: 'completed',
        arguments: '{}',
        call_id: 'call_7abc8def0123456789ab0',
        name: 'time',
      },
      { id: `rs_${HEX}0004`, type: 'reasoning', summary: [], encrypted_content: 'rs1c.google.dG9vbHVfMQ.g.s' },
    ],
    ...asked,
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    tools: [{ type: 'function', name: 'weather', description: null, parameters, strict: true }],
    top_logprobs: 0,
    top_p: null,
    truncation: 'disabled',
    usage: {
      input_tokens: 11,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 18,
    },
    user: null,
  });
});

test('usage: what was not said is missing, what was zero is zero', () => {
  const reply = replyOf([said('x')]);
  const usage = (said: object) => write({ ...reply, usage: { ...NO_USAGE, ...said } }).usage;
  expect(write({ ...reply, usage: null }).usage).toBeNull();
  expect(usage({ inputTokens: 3 })).toBeNull();
  expect(usage({ inputTokens: 0, outputTokens: 0, cacheWriteTokens: 0 })).toEqual({
    input_tokens: 0,
    input_tokens_details: { cache_write_tokens: 0 },
    output_tokens: 0,
    output_tokens_details: {},
    total_tokens: 0,
  });
});

test.each([
  ['stop', 'completed', null],
  ['stop_sequence', 'completed', null],
  ['tool_calls', 'completed', null],
  ['length', 'incomplete', { reason: 'max_output_tokens' }],
  ['content_filter', 'incomplete', { reason: 'content_filter' }],
  ['refusal', 'incomplete', { reason: 'content_filter' }],
  ['pause', 'incomplete', null],
  ['malformed_tool_call', 'incomplete', null],
  ['other', 'incomplete', null],
] as const)('an answer that ended with %s is %s', (finish, status, details) => {
  const response = write(replyOf([said('x'), said('y')], { finish }));
  expect(response).toMatchObject({ status, incomplete_details: details });
  expect(response.output.map((item: { status: string }) => item.status)).toEqual(['completed', status]);
  expect(FINISH_REASONS).toContain(finish);
});

test('errors have the words of OpenAI; inside a stream as its reference and its servers write them', () => {
  const error = new RingsideError('unsupported_parameter', 'No.', { param: 'top_k' });
  const details = { message: 'No.', type: 'invalid_request_error', param: 'top_k', code: 'unsupported_parameter' };
  expect(JSON.parse(dialect.errorBody(error))).toEqual({ error: details });
  const [name, data] = dialect.errorEvent(error, 'sse', false).split('\n');
  expect(name).toBe('event: error');
  expect(JSON.parse(data!.slice('data: '.length))).toEqual({
    type: 'error',
    sequence_number: 0,
    code: 'unsupported_parameter',
    message: 'No.',
    param: 'top_k',
    error: details,
  });
});
