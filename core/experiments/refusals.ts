/**
 * The words with which providers say that a filter ended an answer, or that it is a refusal, as they stand in an inference's finish reason.
 * A refusal that a provider tells in no such word (OpenAI's own field `refusal` beside "stop") is not seen.
 */
export const REFUSALS: ReadonlySet<string> = new Set([
  // OpenAI and what is compatible with it: chat completions, and `incomplete_details.reason` of responses
  'content_filter',
  // Anthropic (`stop_reason`), also through Bedrock
  'refusal',
  // Bedrock
  ...['content_filtered', 'guardrail_intervened'],
  // Gemini: finish reasons, and reasons for which it blocks a prompt
  ...['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'MODEL_ARMOR'],
  ...['IMAGE_SAFETY', 'IMAGE_PROHIBITED_CONTENT', 'IMAGE_RECITATION'],
]);

/** Whether a finish reason, in the provider's own word, says that the model did not want to or was not let answer. */
export function isRefusal(finishReason: string | null): boolean {
  return finishReason !== null && REFUSALS.has(finishReason);
}
