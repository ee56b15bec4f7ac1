import { scrub } from '#translation/wires/scrub.ts';
import type { Usage } from '../telemetry/recorder.ts';

/** Where the type of an event stands: OpenAI writes it first, or behind the event's id. */
const TYPE_BYTES = 256;
/** Larger events hold sound. */
const MAX_EVENT_BYTES = 262_144;

/** Looks at a session's events on their way to the caller. */
export interface EventInspector {
  /** What is passed on: the event, and where it is an error without the provider's secrets and internal addresses. */
  inspect(data: Buffer, isBinary: boolean): Buffer;
  /** What all responses so far have used together; null where none said. */
  readonly usage: Usage | null;
}

/**
 * Reads usage out of `response.done` and takes secrets out of `error`. Other events are not parsed: their type is looked for in their
 * first bytes.
 */
export function createEventInspector(secrets: readonly string[]): EventInspector {
  let total: Usage | null = null;
  return {
    get usage() {
      return total;
    },
    // hot: once a message
    inspect(data, isBinary) {
      if (isBinary || data.length > MAX_EVENT_BYTES) return data;
      const head = data.toString('latin1', 0, TYPE_BYTES);
      if (head.includes('"response.done"')) total = addUsage(total, readUsage(data));
      else if (head.includes('"error"')) return clean(data, secrets);
      return data;
    },
  };
}

function clean(data: Buffer, secrets: readonly string[]): Buffer {
  const text = data.toString('utf8');
  const cleaned = scrub(text, secrets);
  return cleaned === text ? data : Buffer.from(cleaned);
}

/** The usage of a `response.done` (API reference, Realtime server events, read 2026-11); null for every other event. */
function readUsage(data: Buffer): Usage | null {
  const event = parse(data.toString('utf8'));
  if (fieldOf(event, 'type') !== 'response.done') return null;
  const usage = fieldOf(fieldOf(event, 'response'), 'usage');
  if (typeof usage !== 'object' || usage === null) return null;
  return {
    inputTokens: count(fieldOf(usage, 'input_tokens')),
    outputTokens: count(fieldOf(usage, 'output_tokens')),
    cachedTokens: count(fieldOf(fieldOf(usage, 'input_token_details'), 'cached_tokens')),
    reasoningTokens: count(fieldOf(fieldOf(usage, 'output_token_details'), 'reasoning_tokens')),
  };
}

/** Missing stays missing until something is said. */
function addUsage(total: Usage | null, more: Usage | null): Usage | null {
  if (total === null || more === null) return total ?? more;
  return {
    inputTokens: sum(total.inputTokens, more.inputTokens),
    outputTokens: sum(total.outputTokens, more.outputTokens),
    cachedTokens: sum(total.cachedTokens, more.cachedTokens),
    reasoningTokens: sum(total.reasoningTokens, more.reasoningTokens),
  };
}

/** The log's columns are 32 bits. */
const MAX_COUNT = 0x7fff_ffff;

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a + b, MAX_COUNT);
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT ? value : null;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // passed on as it is; we know nothing of its usage
  }
}
