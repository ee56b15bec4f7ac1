import type { DialectName } from '#core/names.ts';
import { recordedAnthropic } from './anthropic/recorded.ts';
import { recordedGemini } from './gemini/recorded.ts';
import { recordedChats } from './openai-chat/recorded.ts';
import { recordedResponses } from './openai-responses/recorded.ts';
import type { RecordedChats } from './recorded.ts';

/** How the chats of each dialect are read back out of the log; null where there are none. */
export const RECORDED_CHATS: Readonly<Record<DialectName, RecordedChats | null>> = {
  openai: null,
  'openai-chat': recordedChats,
  'openai-responses': recordedResponses,
  anthropic: recordedAnthropic,
  gemini: recordedGemini,
  oip: null,
};
