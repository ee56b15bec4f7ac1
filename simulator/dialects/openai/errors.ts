import { z } from 'zod';
import type { Problem, Refusal } from '../../dialect.ts';

type ErrorType = 'invalid_request_error' | 'server_error' | 'requests';

/** OpenAI's words and types for the statuses that it gives itself. */
const INJECTED: Readonly<Record<number, { type: ErrorType; code: string | null; message: string }>> = {
  401: { type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key provided.' },
  403: {
    type: 'invalid_request_error',
    code: 'unsupported_country_region_territory',
    message: 'Country, region, or territory not supported',
  },
  404: { type: 'invalid_request_error', code: 'model_not_found', message: 'The model does not exist.' },
  429: { type: 'requests', code: 'rate_limit_exceeded', message: 'Rate limit reached for requests.' },
  500: {
    type: 'server_error',
    code: null,
    message: 'The server had an error while processing your request. Sorry about that!',
  },
  503: { type: 'server_error', code: null, message: 'The engine is currently overloaded, please try again later.' },
};

/** OpenAI's error body: `{"error": {message, type, param, code}}`. */
export function refuse(problem: Problem): Refusal {
  const invalid = (status: number, message: string, code: string | null, param: string | null = null): Refusal =>
    refusal(status, message, 'invalid_request_error', param, code);
  switch (problem.kind) {
    case 'missing-api-key':
      return invalid(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
          '(i.e. Authorization: Bearer YOUR_KEY).',
        null,
      );
    case 'wrong-api-key':
      return invalid(401, `Incorrect API key provided: ${maskKey(problem.presentedKey)}.`, 'invalid_api_key');
    case 'unknown-path':
      return invalid(404, `Invalid URL (${problem.method} ${problem.path})`, null);
    case 'wrong-method':
      return invalid(405, `Not allowed to ${problem.method} on ${problem.path}.`, 'method_not_supported');
    case 'unknown-model':
      return invalid(
        404,
        `The model \`${problem.model}\` does not exist or you do not have access to it.`,
        'model_not_found',
      );
    case 'bad-json':
      return invalid(400, 'We could not parse the JSON body of your request.', null);
    case 'body-too-large':
      return invalid(413, 'The request body is too large.', null);
    case 'bad-request':
      return invalid(
        400,
        problem.message,
        problem.missing ? 'missing_required_parameter' : 'invalid_value',
        problem.field,
      );
    case 'injected':
      return refuseInjected(problem);
  }
}

function refuseInjected({
  status,
  model,
  message,
  retryAfterSeconds,
}: Extract<Problem, { kind: 'injected' }>): Refusal {
  const fallback = INJECTED[status < 500 ? 400 : 500];
  const known = INJECTED[status] ?? fallback;
  const type = known?.type ?? 'invalid_request_error';
  const text = message ?? `${known?.message ?? 'The request was refused.'} (model: ${model})`;
  const made = refusal(status, text, type, null, known?.code ?? null);
  const seconds = retryAfterSeconds ?? (status === 429 ? 1 : undefined);
  return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
}

function refusal(status: number, message: string, type: ErrorType, param: string | null, code: string | null): Refusal {
  return { status, headers: {}, body: JSON.stringify({ error: { message, type, param, code } }) };
}

/** As OpenAI echoes a wrong key: its beginning and its end, so that a caller who logs it still leaks a part. */
function maskKey(key: string): string {
  const shown = key.length > 12 ? 4 : 1;
  const hidden = Math.max(1, key.length - shown * 2);
  return key.slice(0, shown) + '*'.repeat(hidden) + key.slice(shown + hidden);
}

/** The first thing that zod found wrong with a body, in OpenAI's words. */
export function badRequest(error: z.ZodError, body: unknown): Problem {
  const issue = error.issues[0];
  const path = issue?.path ?? [];
  const field = path.length === 0 ? null : z.core.toDotPath(path);
  const missing = path.length > 0 && valueAt(body, path) === undefined;
  if (missing) return { kind: 'bad-request', message: `Missing required parameter: '${field}'.`, field, missing };
  const where = field === null ? 'the request body' : `'${field}'`;
  return { kind: 'bad-request', message: `Invalid value for ${where}: ${issue?.message}.`, field, missing };
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
