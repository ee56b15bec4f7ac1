import { DIALECTS, type DialectName } from '#core/names.ts';
import type { OpenAiChat, RecordedChats } from '#translation/dialects/recorded.ts';
import { RECORDED_CHATS } from '#translation/dialects/recorded-chats.ts';
import { isShallow } from './depth.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** The answer that a caller got, in its dialect's own shape. */
export interface ChatAnswer {
  readonly said: unknown;
  /** False for what came of a stream that was cut. */
  readonly isWhole: boolean;
}

/** A body that the log keeps is far shorter than what it is put together in: nothing is dropped but what is nested too deeply. */
const NO_BUDGET = { maxHeld: Number.MAX_SAFE_INTEGER, lookAhead: 0 };

/**
 * The first answer in a captured body: of one JSON document, or put together from the events of a stream, as far as they came. Undefined
 * when there is none.
 */
export function chatAnswerOf(dialect: string, body: string, contentType: string | null): ChatAnswer | undefined {
  const recorded = recordedOf(dialect);
  if (recorded === null) return undefined;
  const stream = isStream(body, contentType) ? reassemble(recorded, body) : null;
  const reply = parseObject(stream === null ? body : stream.text);
  const answer = reply === undefined ? null : recorded.answerOf(reply);
  if (answer === null) return undefined;
  return { said: answer.said, isWhole: stream === null || (stream.isWhole && answer.isFinished) };
}

/** A captured request with the answer behind it, as OpenAI's chat completions have conversations; undefined when it is none. */
export function openAiChatOf(dialect: string, request: string, answer: ChatAnswer): OpenAiChat | undefined {
  const asked = parseObject(request);
  return asked === undefined ? undefined : (recordedOf(dialect)?.asOpenAiChat(asked, answer.said) ?? undefined);
}

function recordedOf(dialect: string): RecordedChats | null {
  return DIALECTS.includes(dialect as DialectName) ? RECORDED_CHATS[dialect as DialectName] : null;
}

/** What redaction put together is one JSON object, whatever it was; Gemini streams as a JSON array, too. */
function isStream(body: string, contentType: string | null): boolean {
  if (/^\s*\{/.test(body)) return false;
  return /^text\/event-stream\b/i.test(contentType ?? '') || /^(?:data|event|id|retry|:|\s*\[)/.test(body);
}

function reassemble({ openReassembler }: RecordedChats, body: string) {
  const reassembler = openReassembler(NO_BUDGET);
  // Lines may end in a CR alone, which in JSON stands nowhere else than between values.
  reassembler.push(Buffer.from(body.replaceAll(/\r\n?/g, '\n')));
  return reassembler.message();
}

function parseObject(json: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isShallow(value) && typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}
