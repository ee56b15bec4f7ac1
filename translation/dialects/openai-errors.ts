import { ERROR_CODES, type RingsideError } from '#core/errors.ts';

/** Our errors as OpenAI writes them; the official SDKs pick their exception class by the status. */
export function errorBody(error: RingsideError): string {
  const { type, publicCode } = ERROR_CODES[error.code];
  return JSON.stringify({
    error: { message: error.message, type, param: error.param ?? null, code: publicCode },
  });
}

/** The same as an event of a stream that has begun: SDKs raise it where they are. */
export function errorEvent(error: RingsideError): string {
  return `data: ${errorBody(error)}\n\n`;
}
