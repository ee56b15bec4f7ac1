import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';
import { openStream } from '#gateway/providers/anthropic/stream.ts';
import { chatStreams } from '#tests/support/chat-events.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';
import { openReassembler } from '#translation/dialects/anthropic/reassemble.ts';

const context = {
  inferenceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  createdUnixS: 0,
  framing: 'sse',
  request: {
    model: 'group',
    stream: true,
    streamUsage: true,
    system: [],
    messages: [],
    tools: [],
    settings: NO_SETTINGS,
    spelling: {},
    extras: [],
  },
} as const;
type Events = readonly Exclude<ChatEvent, { type: 'end' | 'error' }>[];

function writeStream(events: Events): string {
  const writer = anthropicDialect.openWriter(context);
  return events.map((event) => writer.write(event)).join('') + writer.end();
}

function writeWhole(events: Events): string {
  const collector = new ReplyCollector();
  for (const event of events) collector.take(event);
  return anthropicDialect.writeReply(collector.reply(), context);
}

const cuts = fc.array(fc.nat(), { maxLength: 30 });

function* pieces(bytes: Buffer, points: readonly number[]): Iterable<Buffer> {
  const ends = [0, ...points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < ends.length; i++) yield bytes.subarray(ends[i - 1], ends[i]);
}

function readStream(bytes: Buffer, points: readonly number[]): ChatEvent[] {
  const reader = anthropicChat.openReader();
  const events: ChatEvent[] = [];
  const emit = (event: ChatEvent) => void events.push(event);
  for (const piece of pieces(bytes, points)) reader.push(piece, emit);
  reader.close(emit);
  return events;
}

/** What Anthropic's SDK makes of a stream. */
async function accumulate(stream: string): Promise<unknown> {
  const headers = { 'content-type': 'text/event-stream' };
  const client = new Anthropic({ apiKey: 'k', maxRetries: 0, fetch: async () => new Response(stream, { headers }) });
  const message = await client.messages.stream({ model: 'm', max_tokens: 9, messages: [] }).finalMessage();
  const { parsed_output: _, ...rest } = message;
  return JSON.parse(JSON.stringify(rest));
}

describe('a stream in Anthropic’s words', () => {
  test('is the whole answer, as its own SDK puts it together', async () => {
    await fc.assert(
      fc.asyncProperty(chatStreams, async (events) => {
        expect(await accumulate(writeStream(events))).toEqual(JSON.parse(writeWhole(events)));
      }),
      { numRuns: 300 },
    );
  });

  test('has one block open at a time, numbered in order', () => {
    fc.assert(
      fc.property(chatStreams, (events) => {
        let open: number | null = null;
        let next = 0;
        // U+2028 ends a line for a regular expression, not in an event stream.
        for (const line of writeStream(events).split('\n')) {
          if (!line.startsWith('data: ')) continue;
          const { type, index } = JSON.parse(line.slice('data: '.length));
          if (type === 'content_block_start') {
            expect(open).toBeNull();
            expect(index).toBe(next++);
            open = index;
          } else if (type === 'content_block_delta') expect(index).toBe(open);
          else if (type === 'content_block_stop') {
            expect(index).toBe(open);
            open = null;
          }
        }
        expect(open).toBeNull();
      }),
    );
  });

  test('is read the same whatever the chunks, and like the whole answer', () => {
    fc.assert(
      fc.property(chatStreams, cuts, fc.constantFrom('\n', '\r\n'), (events, points, lineEnd) => {
        const bytes = Buffer.from(writeStream(events).replaceAll('\n', lineEnd));
        const read = readStream(bytes, points);
        expect(read).toEqual(readStream(bytes, []));
        expect(read.at(-1)).toEqual({ type: 'end' });
        const collector = new ReplyCollector();
        for (const event of read) collector.take(event);
        expect(collector.reply()).toEqual(anthropicChat.readReply(Buffer.from(writeWhole(events))));
      }),
    );
  });

  test('passes the tap unchanged, its end held back, whatever the chunks', () => {
    fc.assert(
      fc.property(chatStreams, cuts, fc.constantFrom('\n', '\r\n'), (events, points, lineEnd) => {
        const stream = writeStream(events).replaceAll('\n', lineEnd);
        const tap = openStream();
        const forwarded: Buffer[] = [];
        let terminal: Buffer | null = null;
        for (const piece of pieces(Buffer.from(stream), points)) {
          const { forward, terminal: end } = tap.push(piece);
          if (forward !== null) forwarded.push(forward);
          terminal ??= end;
        }
        expect(tap.flush()).toBeNull();
        const stop = `event: message_stop\ndata: {"type":"message_stop"}\n\n`.replaceAll('\n', lineEnd);
        expect(terminal?.toString()).toBe(stop);
        expect(Buffer.concat(forwarded).toString() + stop).toBe(stream);
        const whole = anthropicChat.readReply(Buffer.from(writeWhole(events)));
        expect(tap.facts()).toEqual({ usage: whole.usage, finishReason: whole.rawFinish });
        expect(tap.sawToken).toBe(
          events.some(({ type }) => type === 'delta') || /"type":"(tool_use|redacted_thinking)"/.test(stream),
        );
      }),
    );
  });

  test('is put together for the log to the whole answer, whatever the chunks', () => {
    fc.assert(
      fc.property(chatStreams, cuts, (events, points) => {
        const reassembler = openReassembler({ maxHeld: 1_000_000, lookAhead: 0 });
        for (const piece of pieces(Buffer.from(writeStream(events)), points)) reassembler.push(piece);
        const { text, isWhole } = reassembler.message();
        expect(isWhole).toBe(true);
        expect(JSON.parse(text)).toEqual(JSON.parse(writeWhole(events)));
      }),
    );
  });
});
