import { RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '../chat/dialect.ts';
import { createRefusals } from '../chat/refusals.ts';
import type { ChatRequest, JsonObject } from '../chat/request.ts';
import { writeMessages } from '../wires/openai/messages.ts';
import { writeTool } from '../wires/openai/request.ts';
import { OPENAI } from '../wires/openai/servers.ts';
import type { Reassembler, ReassemblerOptions } from './reassembler.ts';

/** How the chats of one dialect are read back out of the log. Pure; what cannot be read gives null. */
export interface RecordedChats {
  openReassembler(options: ReassemblerOptions): Reassembler;
  /** The first answer of a reply. */
  answerOf(reply: JsonObject): RecordedAnswer | null;
  /**
   * A request's conversation with an answer as its last turn, in the words of OpenAI's chat completions. Null when something in it has
   * no place there: of half a conversation nobody learns.
   */
  asOpenAiChat(request: JsonObject, said: unknown): OpenAiChat | null;
}

export interface RecordedAnswer {
  /** In the dialect's own shape: what a client would put into its next request. */
  readonly said: unknown;
  /** Whether the reply says why it ended: a stream that does not was cut. */
  readonly isFinished: boolean;
}

export interface OpenAiChat {
  readonly messages: readonly object[];
  readonly tools: readonly unknown[];
}

const TARGET: RequestTarget = { model: 'recorded', stream: null, framing: 'sse' };
/** What stands in a conversation beside its words: it may be left out. */
const BESIDE_WORDS: ReadonlySet<string> = new Set(['citations', 'annotations']);

/** A conversation out of another dialect, through the neutral chat. `turnsAt`: the key under which the request has its turns. */
export function throughNeutralChat(
  readRequest: (body: Buffer, target: RequestTarget) => ChatRequest,
  request: JsonObject,
  turnsAt: string,
): OpenAiChat | null {
  // The group's name is no part of the conversation, and some dialects have it in the path.
  const { model: _model, ...body } = request;
  try {
    const chat = readRequest(Buffer.from(JSON.stringify(body)), TARGET);
    if (chat.extras.some(({ at, name }) => at.startsWith(`${turnsAt}[`) && !BESIDE_WORDS.has(name))) return null;
    const refusals = createRefusals('openai', true);
    const messages = writeMessages(chat, OPENAI, refusals);
    return { messages, tools: chat.tools.map((tool) => writeTool(tool, OPENAI, refusals)) };
  } catch (reason) {
    if (reason instanceof RingsideError) return null;
    throw reason;
  }
}
