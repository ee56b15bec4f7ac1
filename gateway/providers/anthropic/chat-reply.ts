import { RingsideError } from '#core/errors.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import type { JsonObject } from '#translation/chat/request.ts';
import { readCitation } from '#translation/wires/anthropic/citations.ts';
import { parseExact } from '#translation/wires/exact-json.ts';
import { readChatUsage } from './chat-usage.ts';
import { readStopReason } from './stop-reasons.ts';

/** Reads a `Message`. Blocks of server tools, which no other dialect can ask for, are skipped. */
export function readReply(body: Buffer): ChatReply {
  const message = parse(body);
  const { content } = message;
  if (!Array.isArray(content)) throw protocol('sent an answer without content');
  const rawFinish = textOrNull(message['stop_reason']);
  return {
    id: textOrNull(message['id']),
    model: textOrNull(message['model']),
    usage: readChatUsage(message['usage']),
    rawFinish,
    candidates: [
      {
        index: 0,
        parts: content.flatMap((block: unknown) => readBlock(block) ?? []),
        finish: rawFinish === null ? null : readStopReason(rawFinish),
        stopSequence: textOrNull(message['stop_sequence']),
        logprobs: null,
      },
    ],
  };
}

function parse(body: Buffer): JsonObject {
  let value: unknown;
  try {
    value = parseExact(body.toString('utf8'));
  } catch (cause) {
    throw protocol('sent an answer that is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw protocol('sent an answer that is no message');
  return value as JsonObject;
}

function readBlock(value: unknown): ModelPart | null {
  if (typeof value !== 'object' || value === null) throw protocol('sent content that is no block');
  const block = value as JsonObject;
  const base = { at: '', cache: null };
  switch (block['type']) {
    case 'text': {
      const { citations } = block;
      const cited = Array.isArray(citations) ? citations.flatMap((citation) => readCitation(citation) ?? []) : [];
      return { ...base, type: 'text', text: textOf(block, 'text'), citations: cited };
    }
    case 'thinking': {
      const signature = textOrNull(block['signature']) ?? '';
      return {
        ...base,
        type: 'reasoning',
        text: textOf(block, 'thinking'),
        signature: signature === '' ? null : { origin: 'anthropic', value: signature },
        redacted: null,
      };
    }
    case 'redacted_thinking': {
      const redacted = { origin: 'anthropic', value: textOf(block, 'data') } as const;
      return { ...base, type: 'reasoning', text: '', signature: null, redacted };
    }
    case 'tool_use':
      return {
        ...base,
        type: 'tool_call',
        id: textOrNull(block['id']),
        name: textOf(block, 'name'),
        arguments: JSON.stringify(block['input'] ?? {}),
        signature: null,
      };
    default:
      return null;
  }
}

function textOf(block: JsonObject, name: string): string {
  const text = textOrNull(block[name]);
  if (text === null) throw protocol(`sent a block without "${name}"`);
  return text;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** `upstream_protocol`: what the upstream sent is no answer of this API. */
export function protocol(what: string, cause?: unknown): RingsideError {
  return new RingsideError('upstream_protocol', `The upstream ${what}.`, { cause });
}
