import type { FinishReason } from '#translation/chat/reply.ts';

/** Anthropic's stop reasons (API reference, Messages, `stop_reason`, read 2026-11); unknown ones are `other`. */
export function readStopReason(reason: string): FinishReason {
  switch (reason) {
    case 'end_turn':
      return 'stop';
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'stop_sequence':
      return 'stop_sequence';
    case 'tool_use':
      return 'tool_calls';
    case 'pause_turn':
      return 'pause';
    case 'refusal':
      return 'refusal';
    default:
      return 'other';
  }
}
