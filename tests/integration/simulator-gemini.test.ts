import { createGoogleGenerativeAI } from '@ai-sdk/google';
import {
  ApiError,
  FunctionCallingConfigMode,
  type GenerateContentConfig,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from '@google/genai';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator, type Simulator } from '#simulator/server.ts';

const MODEL = 'gemini-3-flash-preview';
const WEATHER = {
  name: 'get_weather',
  description: 'The weather at a place',
  parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

let simulator: Simulator;
let origin: string;
let genai: GoogleGenAI;

beforeEach(async () => {
  simulator = createSimulator({ requiredApiKey: 'g-key' });
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
  genai = new GoogleGenAI({ apiKey: 'g-key', httpOptions: { baseUrl: origin } });
});
afterEach(() => simulator.close());

const behave = (behaviour: BehaviourInput) => simulator.setBehaviour(MODEL, behaviour);
const plain = (config: GenerateContentConfig = {}, contents: unknown = 'Who are you?') =>
  genai.models.generateContent({ model: MODEL, contents: contents as string, config });

async function streamed(config: GenerateContentConfig = {}, contents: unknown = 'Who are you?') {
  const chunks: GenerateContentResponse[] = [];
  const stream = await genai.models.generateContentStream({ model: MODEL, contents: contents as string, config });
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const partsOf = (chunks: readonly GenerateContentResponse[]) =>
  chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
const textOf = (parts: readonly Part[], thought = false) =>
  parts.map((part) => ((part.thought ?? false) === thought ? (part.text ?? '') : '')).join('');

async function failure(call: Promise<unknown>): Promise<ApiError> {
  const reason: unknown = await call.then(
    () => expect.fail('an answer'),
    (error) => error,
  );
  expect(reason).toBeInstanceOf(ApiError);
  return reason as ApiError;
}

describe('@google/genai against the simulator', () => {
  test('a streamed answer is the plain one', async () => {
    const answer = await plain();
    const chunks = await streamed();
    expect(answer.text).toMatch(/^\[gemini-3-flash-preview\] /);
    expect(textOf(partsOf(chunks))).toBe(answer.text);
    expect(chunks.at(-1)?.candidates?.[0]?.finishReason).toBe('STOP');
    expect(chunks.at(-1)?.usageMetadata).toEqual(answer.usageMetadata);
    expect(answer.usageMetadata).toMatchObject({ candidatesTokenCount: 32 });
    expect(answer.modelVersion).toBe(MODEL);
  });

  test('parallel tools, and a turn with their results', async () => {
    behave({ toolCalls: 2, reasoningTokens: 5 });
    const tools = [{ functionDeclarations: [WEATHER] }];
    const answer = await plain({ tools });
    expect(answer.functionCalls).toHaveLength(2);
    expect(answer.functionCalls?.[0]).toMatchObject({ name: 'get_weather', args: { city: expect.any(String) } });
    const fromStream = partsOf(await streamed({ tools })).flatMap(({ functionCall }) => functionCall ?? []);
    expect(fromStream).toEqual(answer.functionCalls);

    const content = answer.candidates![0]!.content!;
    expect(content.parts?.[0]?.thoughtSignature).toEqual(expect.any(String));
    const results = answer.functionCalls!.map(({ id, name }) => ({
      functionResponse: { id: id!, name: name!, response: { output: 'sunny' } },
    }));
    const turn = [{ role: 'user', parts: [{ text: 'Weather?' }] }, content, { role: 'user', parts: results }];
    const next = await plain({ tools }, turn);
    expect(next.text).not.toBe('');
    expect(next.functionCalls).toBeUndefined();

    const unsigned = { ...content, parts: content.parts!.map(({ thoughtSignature: _, ...part }) => part) };
    const refused = await failure(plain({ tools }, [turn[0], unsigned, turn[2]]));
    expect(refused.status).toBe(400);
    expect(refused.message).toContain('thought_signature');
  });

  test('a chat keeps a streamed turn with its calls', async () => {
    behave({ toolCalls: 1, reasoningTokens: 2 });
    const chat = genai.chats.create({ model: MODEL, config: { tools: [{ functionDeclarations: [WEATHER] }] } });
    const calls = [];
    for await (const chunk of await chat.sendMessageStream({ message: 'Weather?' })) {
      calls.push(...(chunk.functionCalls ?? []));
    }
    expect(calls).toHaveLength(1);
    expect(chat.getHistory(true).length).toBeGreaterThan(1);
    const response = { id: calls[0]!.id!, name: 'get_weather', response: { output: 'rain' } };
    const answer = await chat.sendMessage({ message: [{ functionResponse: response }] });
    expect(answer.text).not.toBe('');
  });

  test('tool modes', async () => {
    const tools = [{ functionDeclarations: [WEATHER, { name: 'other' }] }];
    const toolConfig = {
      functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['other'] },
    };
    expect((await plain({ tools, toolConfig })).functionCalls).toMatchObject([{ name: 'other' }]);
    expect((await plain({ tools })).functionCalls).toBeUndefined();
  });

  test('JSON schema, stop, max tokens, thoughts, candidates, log probabilities', async () => {
    const responseJsonSchema = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] };
    const json = await plain({ responseMimeType: 'application/json', responseJsonSchema });
    expect(JSON.parse(json.text!)).toEqual({ age: expect.any(Number) });

    behave({ answerText: 'one two END three' });
    expect((await plain({ stopSequences: ['END'] })).text?.trim()).toBe('one two');

    behave({ answerTokens: 40 });
    const short = await plain({ maxOutputTokens: 7 });
    expect(short.candidates?.[0]?.finishReason).toBe('MAX_TOKENS');
    expect(short.usageMetadata?.candidatesTokenCount).toBe(7);

    behave({ reasoningTokens: 6 });
    const thinkingConfig = { includeThoughts: true };
    const thought = await plain({ thinkingConfig });
    expect(thought.usageMetadata).toMatchObject({ thoughtsTokenCount: 6, candidatesTokenCount: 32 });
    const shown = textOf(thought.candidates![0]!.content!.parts!, true);
    expect(shown).not.toBe('');
    expect(textOf(partsOf(await streamed({ thinkingConfig })), true)).toBe(shown);

    expect((await plain({ candidateCount: 2 })).candidates).toHaveLength(2);
    const logprobs = await plain({ responseLogprobs: true, logprobs: 1 });
    expect(logprobs.candidates?.[0]?.logprobsResult?.chosenCandidates).toHaveLength(32);
  });

  test('errors come with their status', async () => {
    for (const status of [400, 401, 429, 500, 529]) {
      behave({ errors: [{ status, rate: 1 }] });
      expect((await failure(plain())).status).toBe(status);
      expect((await failure(streamed())).status).toBe(status);
    }
    behave({ streamError: { afterTokens: 3, status: 503 } });
    expect((await failure(streamed())).status).toBe(503);
    behave({});
    const stranger = new GoogleGenAI({ apiKey: 'wrong', httpOptions: { baseUrl: origin } });
    const refused = await failure(stranger.models.generateContent({ model: MODEL, contents: 'Hi' }));
    expect(refused.status).toBe(400);
    expect(refused.message).toContain('API_KEY_INVALID');
  });

  test('tokens, embeddings, models', async () => {
    const counted = await genai.models.countTokens({ model: MODEL, contents: 'one two three' });
    expect(counted.totalTokens).toBeGreaterThan(2);
    const { embeddings } = await genai.models.embedContent({
      model: 'gemini-embedding-001',
      contents: ['one', 'two', 'one'],
      config: { outputDimensionality: 16 },
    });
    expect(embeddings).toHaveLength(3);
    expect(embeddings![0]!.values).toHaveLength(16);
    expect(embeddings![2]).toEqual(embeddings![0]);
    expect(embeddings![1]).not.toEqual(embeddings![0]);
    behave({});
    const names = [];
    for await (const { name } of await genai.models.list()) names.push(name);
    expect(names).toContain(`models/${MODEL}`);
  });

  test('unknown fields are refused, both spellings are read, and the key may stand in the query', async () => {
    const post = (body: object) =>
      fetch(`${origin}/v1beta/models/${MODEL}:generateContent?key=g-key`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
    const contents = [{ parts: [{ text: 'Hi' }] }];
    const snake = await post({ contents, generation_config: { max_output_tokens: 3 } });
    expect(await snake.json()).toMatchObject({ usageMetadata: { candidatesTokenCount: 3 } });
    const wrong = await post({ contents, generationConfig: { colour: 'red' } });
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ error: { message: expect.stringContaining('Unknown name "colour"') } });
  });

  test('without alt=sse a stream is one JSON array', async () => {
    const answer = await fetch(`${origin}/v1beta/models/${MODEL}:streamGenerateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': 'g-key' },
      body: JSON.stringify({ contents: [{ parts: [{ text: 'Who are you?' }] }] }),
    });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    const chunks = (await answer.json()) as GenerateContentResponse[];
    expect(textOf(partsOf(chunks))).toBe((await plain()).text);
  });
});

describe('the AI SDK against the simulator', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const;
  const weather = tool({
    inputSchema: jsonSchema<{ city: string }>(schema as never),
    outputSchema: jsonSchema<string>({}),
  });
  const model = () => createGoogleGenerativeAI({ apiKey: 'g-key', baseURL: `${origin}/v1beta` })(MODEL);

  test('plain and streamed text, and tools', async () => {
    const whole = await generateText({ model: model(), prompt: 'Who are you?' });
    const stream = streamText({ model: model(), prompt: 'Who are you?' });
    expect(await stream.text).toBe(whole.text);
    expect(await stream.finishReason).toBe('stop');
    behave({ toolCalls: 2 });
    const called = await generateText({ model: model(), prompt: 'Weather?', tools: { get_weather: weather } });
    expect(called.toolCalls).toHaveLength(2);
    expect(called.finishReason).toBe('tool-calls');
  });
});
