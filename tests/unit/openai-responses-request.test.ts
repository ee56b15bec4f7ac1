// Bodies and their meaning after OpenAI's API reference, "Create a model response" (openai 7.55.0, resources/responses), read 2026-11.
import { describe, expect, test } from 'vitest';
import type { RingsideError } from '#core/errors.ts';
import { readRequest } from '#translation/dialects/openai-responses/request.ts';

const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const read = (body: object) =>
  readRequest(Buffer.from(JSON.stringify({ model: 'group', input: 'Hi', ...body })), TARGET);
const readItems = (...input: unknown[]) => read({ input });
const refusal = (body: object): RingsideError => {
  try {
    read(body);
  } catch (reason) {
    return reason as RingsideError;
  }
  throw new Error('the body was read');
};

const PNG = 'data:image/png;base64,iVBORw0KGgo=';

describe('input', () => {
  test('a text is one turn of the user; instructions stand before it', () => {
    const { system, messages, model, stream } = read({ instructions: 'Be brief.' });
    expect({ model, stream }).toEqual({ model: 'group', stream: false });
    expect(system).toEqual([{ type: 'text', at: 'instructions', cache: null, text: 'Be brief.', citations: [] }]);
    expect(messages).toEqual([
      {
        role: 'user',
        at: 'input',
        name: null,
        parts: [{ type: 'text', at: 'input', cache: null, text: 'Hi', citations: [] }],
      },
    ]);
  });

  test('system and developer messages go before the conversation, or stand where they are in it', () => {
    const message = (role: string, content: string) => ({ role, content });
    const { system, messages } = readItems(
      message('system', 'a'),
      { ...message('developer', 'b'), type: 'message' },
      message('user', 'c'),
      message('developer', 'd'),
      message('user', 'e'),
    );
    expect(system.map(({ at, text }) => [at, text])).toEqual([
      ['input[0].content', 'a'],
      ['input[1].content', 'b'],
    ]);
    expect(messages.map(({ role, at }) => [role, at])).toEqual([
      ['user', 'input[2]'],
      ['system', 'input[3]'],
      ['user', 'input[4]'],
    ]);
  });

  test('images, files and sound', () => {
    const { messages } = readItems({
      role: 'user',
      content: [
        { type: 'input_text', text: 'See', prompt_cache_breakpoint: { mode: 'explicit' } },
        { type: 'input_image', image_url: PNG, detail: 'low' },
        { type: 'input_image', image_url: 'https://example.com/ring.png' },
        { type: 'input_image', file_id: 'file-1' },
        { type: 'input_file', file_data: 'data:application/pdf;base64,JVBE\nRi0=', filename: 'rules.pdf' },
        { type: 'input_file', file_data: 'JVBERi0=' },
        { type: 'input_file', file_url: 'https://example.com/rules.pdf' },
        { type: 'input_file', file_id: 'file-2' },
        { type: 'input_audio', input_audio: { format: 'mp3', data: 'SUQz' } },
      ],
    });
    const part = (index: number, rest: object) => ({ at: `input[0].content[${index}]`, cache: null, ...rest });
    const image = (index: number, source: object, detail: string | null) =>
      part(index, { type: 'image', source, detail });
    const document = (index: number, source: object, title: string | null) =>
      part(index, { type: 'document', source, title, citations: false });
    const base64 = (mediaType: string, data: string) => ({ kind: 'base64', mediaType, data });
    expect(messages[0]?.parts).toEqual([
      part(0, { type: 'text', text: 'See', cache: { ttl: null }, citations: [] }),
      image(1, base64('image/png', 'iVBORw0KGgo='), 'low'),
      image(2, { kind: 'url', url: 'https://example.com/ring.png' }, null),
      image(3, { kind: 'file', fileId: 'file-1', mediaType: null }, null),
      document(4, base64('application/pdf', 'JVBERi0='), 'rules.pdf'),
      document(5, base64('application/pdf', 'JVBERi0='), null),
      document(6, { kind: 'url', url: 'https://example.com/rules.pdf' }, null),
      document(7, { kind: 'file', fileId: 'file-2', mediaType: null }, null),
      part(8, { type: 'audio', source: base64('audio/mpeg', 'SUQz') }),
    ]);
  });

  test('items of one turn of the model become one message, results of its tools another', () => {
    const { messages } = readItems(
      { role: 'user', content: 'Weather?' },
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [
          { type: 'summary_text', text: 'One.' },
          { type: 'summary_text', text: 'Two.' },
        ],
        encrypted_content: 'gAAA',
      },
      { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: 'gBBB' },
      { type: 'reasoning', id: 'rs_3', summary: [] },
      {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'Looking', annotations: [] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
      { type: 'function_call', call_id: 'call_2', name: 'time', arguments: 'broken' },
      { type: 'function_call_output', call_id: 'call_2', output: '12:00' },
      {
        type: 'function_call_output',
        call_id: 'call_1',
        output: [
          { type: 'input_text', text: 'rain' },
          { type: 'input_image', image_url: PNG, detail: 'auto' },
        ],
      },
      { type: 'function_call_output', call_id: 'call_9', output: '' },
      { role: 'user', content: 'And?' },
    );
    expect(messages.map(({ role, at, parts }) => [role, at, parts.map(({ at: partAt }) => partAt)])).toEqual([
      ['user', 'input[0]', ['input[0].content']],
      [
        'assistant',
        'input[1]',
        ['input[1]', 'input[2]', 'input[4].content[0]', 'input[4].content[1]', 'input[5]', 'input[6]'],
      ],
      ['user', 'input[7]', ['input[7]', 'input[8]', 'input[9]']],
      ['user', 'input[10]', ['input[10].content']],
    ]);
    expect(messages[1]?.parts).toMatchObject([
      { type: 'reasoning', text: 'One.\n\nTwo.', signature: { origin: 'openai', value: 'gAAA' }, redacted: null },
      { type: 'reasoning', text: '', signature: null, redacted: { origin: 'openai', value: 'gBBB' } },
      { type: 'text', text: 'Looking' },
      { type: 'refusal', text: 'No.' },
      { type: 'tool_call', id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
      { type: 'tool_call', id: 'call_2', name: 'time', arguments: 'broken' },
    ]);
    expect(messages[2]?.parts).toMatchObject([
      { callId: 'call_2', name: 'time', isError: false, parts: [{ type: 'text', text: '12:00' }] },
      {
        callId: 'call_1',
        name: 'weather',
        parts: [
          { type: 'text', text: 'rain' },
          { type: 'image', detail: 'auto' },
        ],
      },
      { callId: 'call_9', name: null },
    ]);
  });

  test('10 000 items are read', () => {
    const items = Array.from({ length: 10_000 }, (_, index) => ({
      type: 'function_call',
      call_id: `c${index}`,
      name: 'f',
      arguments: '{}',
    }));
    expect(readItems(...items).messages[0]?.parts.length).toBe(10_000);
  });

  test.each([
    ['input', { input: undefined }],
    ['input', { input: [] }],
    ['input', { input: 7 }],
    ['input[0]', { input: ['text'] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }],
    ['input[0].content', { input: [{ role: 'user' }] }],
    ['input[0].content[0].type', { input: [{ role: 'user', content: [{ text: 'x' }] }] }],
    ['input[0].content[0].type', { input: [{ role: 'user', content: [{ type: 'output_text', text: 'x' }] }] }],
    ['input[0].content[0].image_url', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    [
      'input[0].content[0].image_url',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png,x' }] }] },
    ],
    [
      'input[0].content[0].image_url',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:' }] }] },
    ],
    ['input[0].content[0].file_data', { input: [{ role: 'user', content: [{ type: 'input_file' }] }] }],
    ['input[0].call_id', { input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }],
    ['input[0].arguments', { input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: {} }] }],
    ['input[0].output', { input: [{ type: 'function_call_output', call_id: 'c' }] }],
    ['input[0].summary[0].text', { input: [{ type: 'reasoning', summary: ['x'] }] }],
    ['model', { model: undefined }],
    ['stream', { stream: 'yes' }],
    ['instructions', { instructions: ['x'] }],
    ['metadata', { metadata: 'x' }],
    ['temperature', { temperature: 2.5 }],
    ['top_logprobs', { top_logprobs: 21 }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['text.format.type', { text: { format: { type: 'xml' } } }],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'x' } } }],
    ['reasoning.effort', { reasoning: { effort: 'extreme' } }],
    ['tools[0].name', { tools: [{ type: 'function' }] }],
    ['tool_choice', { tool_choice: 'any' }],
    ['tool_choice.tools', { tool_choice: { type: 'allowed_tools', mode: 'required', tools: [] } }],
  ])('a fault at %s is named', (param, body) => {
    expect(refusal(body)).toMatchObject({ code: 'bad_request', status: 400, param });
  });

  test.each([
    ['previous_response_id', { previous_response_id: 'resp_1', input: undefined }],
    ['conversation', { conversation: { id: 'conv_1' } }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['background', { background: true }],
    ['input[0]', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['input[0]', { input: [{ id: 'msg_1' }] }],
    ['input[0].type', { input: [{ type: 'web_search_call', id: 'ws_1' }] }],
    [
      'input[0].namespace',
      { input: [{ type: 'function_call', namespace: 'n', call_id: 'c', name: 'f', arguments: '' }] },
    ],
    ['tools[0]', { tools: [{ type: 'custom', name: 'x' }] }],
    ['tool_choice', { tool_choice: { type: 'custom', name: 'x' } }],
  ])('%s is refused, whatever the group allows', (param, body) => {
    expect(refusal(body)).toMatchObject({ code: 'unsupported_parameter', status: 400, param });
  });

  test('what is no JSON object is refused', () => {
    for (const text of ['', '{', '[]', 'null', '"x"']) {
      expect(() => readRequest(Buffer.from(text), TARGET)).toThrow(/request body/);
    }
  });
});
