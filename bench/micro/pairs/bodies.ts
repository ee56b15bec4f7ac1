import { planScan, scanBody } from '#core/body-scan.ts';
import { readReply } from '#gateway/wires/openai/reply-facts.ts';
import { openStream } from '#gateway/wires/openai/tap.ts';
import type { Pair } from '../pair.ts';

const requestOf = (bytes: number) =>
  Buffer.from(JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'x "y" \n'.repeat(bytes / 10) }] }));

const answerOf = (bytes: number) =>
  Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'bench',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'x "y" \n'.repeat(bytes / 10) },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 12, completion_tokens: 14, total_tokens: 26 },
    }),
  );

/** What the gateway reads out of bodies and streams, beside parsing them. */
export function bodyPairs(): Pair[] {
  const plan = planScan(['model', 'stream', 'stream_options', 'user']);
  const scans = [1_000, 100_000, 1_000_000].map((bytes): Pair => {
    const request = requestOf(bytes);
    return {
      name: `request scan, ${bytes / 1000} KB`,
      bytes: request.length,
      ours: () => scanBody(request, plan),
      naive: () => JSON.stringify({ ...(JSON.parse(request.toString()) as object), model: 'upstream' }),
      naiveName: 'parse + stringify',
    };
  });
  const replies = [1_000, 100_000].map((bytes): Pair => {
    const answer = answerOf(bytes);
    return {
      name: `answer facts, ${bytes / 1000} KB`,
      bytes: answer.length,
      ours: () => readReply(answer),
      naive: () => {
        const { usage, choices } = JSON.parse(answer.toString()) as {
          usage: { prompt_tokens: number };
          choices: { finish_reason: string }[];
        };
        return [usage.prompt_tokens, choices.at(-1)?.finish_reason];
      },
      naiveName: 'parse the answer',
    };
  });
  return [...scans, ...replies, streamPair()];
}

function streamPair(): Pair {
  const choice = { index: 0, delta: { content: 'token' }, finish_reason: null };
  const event = { id: 'c', object: 'chat.completion.chunk', choices: [choice], usage: null };
  const chunk = Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
  const tap = openStream(true);
  tap.push(chunk);
  return {
    name: 'stream tap, one token event',
    bytes: chunk.length,
    ours: () => tap.push(chunk),
    naive: () => JSON.parse(chunk.toString().slice(6)),
    naiveName: 'parse the event',
  };
}
