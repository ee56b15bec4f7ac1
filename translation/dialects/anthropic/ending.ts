import type { FinishReason } from '../../chat/reply.ts';
import type { JsonObject } from '../../chat/request.ts';

/** What is known when an answer ends. */
export interface Ending {
  readonly finish: FinishReason | null;
  readonly rawFinish: string | null;
  readonly stopSequence: string | null;
  /** Whether it holds tool calls: some servers then still say that it ended of itself. */
  readonly hasCalls: boolean;
  /** Whether a part of it is a refusal, whatever the provider calls its end. */
  readonly hasRefusal: boolean;
}

/** Anthropic's own word where the limit was the model's window, not the caller's. */
const WINDOW_EXCEEDED = 'model_context_window_exceeded';

/** The fields of an answer that say how it ended, in the order of the API's reference. */
export function writeEnding(ending: Ending): JsonObject {
  const reason = stopReason(ending);
  return {
    stop_reason: reason,
    stop_sequence: reason === 'stop_sequence' ? ending.stopSequence : null,
    stop_details: reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null,
  };
}

function stopReason({ finish, rawFinish, hasCalls, hasRefusal }: Ending): string | null {
  if (hasRefusal) return 'refusal';
  switch (finish) {
    case null:
      return null;
    case 'stop':
      return hasCalls ? 'tool_use' : 'end_turn';
    case 'stop_sequence':
      return 'stop_sequence';
    case 'length':
      return rawFinish === WINDOW_EXCEEDED ? rawFinish : 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
    case 'refusal':
      return 'refusal';
    case 'pause':
      return 'pause_turn';
    case 'malformed_tool_call':
    case 'other':
      return 'end_turn';
    default:
      return finish satisfies never;
  }
}
