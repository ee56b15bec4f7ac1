import type { JsonObject } from '#translation/chat/request.ts';

/** The status that each error type comes with (API reference, "Errors", read 2026-11): inside a stream only the type is said. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** The status of an error's body; null for a type that is not known. */
export function statusOf({ error }: JsonObject): number | null {
  if (typeof error !== 'object' || error === null) return null;
  const { type } = error as JsonObject;
  return typeof type === 'string' && Object.hasOwn(STATUSES, type) ? STATUSES[type]! : null;
}
