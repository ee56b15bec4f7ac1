import type { RingsideError } from '#core/errors.ts';

/** Errors of the protocol have one field; the parameter at fault is named in its text. */
export function errorBody(error: RingsideError): string {
  const { message, param } = error;
  const isNamed = param === undefined || message.includes(param);
  return JSON.stringify({ error: isNamed ? message : `${param}: ${message}` });
}
