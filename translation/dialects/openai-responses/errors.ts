import { ERROR_CODES, type RingsideError } from '#core/errors.ts';

/** Our errors as OpenAI writes them; the official SDKs pick their exception class by the status. */
export function errorBody(error: RingsideError): string {
  return JSON.stringify({ error: detailsOf(error) });
}

/**
 * The same as an event of a stream that has begun. OpenAI's reference writes the fields beside the type, its servers nest them
 * (openai-node, ResponseStream, reads both): both stand here. The sequence number is required, and what it would be is not known here.
 */
export function errorEvent(error: RingsideError): string {
  const details = detailsOf(error);
  const { message, param, code } = details;
  const event = { type: 'error', sequence_number: 0, code, message, param, error: details };
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
}

function detailsOf(error: RingsideError) {
  const { type, publicCode } = ERROR_CODES[error.code];
  return { message: error.message, type, param: error.param ?? null, code: publicCode };
}
