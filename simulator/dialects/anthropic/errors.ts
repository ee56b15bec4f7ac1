import type { z } from 'zod';
import type { Problem, Refusal } from '../../dialect.ts';

/** Anthropic's error types by status (API reference, "Errors", read 2026-11). */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'invalid x-api-key',
  429: 'Number of request tokens has exceeded your per-minute rate limit.',
  500: 'Internal server error',
  529: 'Overloaded',
};

/** Anthropic's error body: `{"type": "error", "error": {type, message}, "request_id"}`. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
      return refusal(401, 'x-api-key header is required');
    case 'wrong-api-key':
      return refusal(401, 'invalid x-api-key');
    case 'unknown-path':
      return refusal(404, 'Not Found');
    case 'wrong-method':
      return refusal(405, 'Method Not Allowed');
    case 'unknown-model':
      return refusal(404, `model: ${problem.model}`);
    case 'bad-json':
      return refusal(400, 'The request body is not valid JSON.');
    case 'body-too-large':
      return refusal(413, 'Request exceeds the maximum size');
    case 'bad-request':
      return refusal(400, problem.message);
    case 'injected': {
      const { status, model, message, retryAfterSeconds } = problem;
      const made = refusal(status, message ?? `${MESSAGES[status] ?? 'The request failed.'} (model: ${model})`);
      const seconds = retryAfterSeconds ?? (status === 429 ? 1 : undefined);
      return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
    }
    default:
      return problem satisfies never;
  }
}

function refusal(status: number, message: string): Refusal {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  const body = { type: 'error', error: { type, message }, request_id: null };
  return { status, headers: {}, body: JSON.stringify(body) };
}

/** For a field that the API does not know. */
export const EXTRA_INPUT = 'Extra inputs are not permitted';

/** The first thing that zod found wrong with a body, in Anthropic's words: `max_tokens: Field required`. */
export function unreadable(error: z.ZodError): Problem {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys') return broken([...issue.path, issue.keys[0]].join('.'), EXTRA_INPUT);
  const field = issue === undefined || issue.path.length === 0 ? null : issue.path.join('.');
  const missing = issue?.code === 'invalid_type' && issue.input === undefined && /undefined$/.test(issue.message);
  const what = missing ? 'Field required' : (issue?.message ?? 'Input is not valid');
  return { kind: 'bad-request', message: field === null ? what : `${field}: ${what}`, field, missing };
}

/** A rule of the API that a schema of one field cannot say. */
export function broken(field: string, message: string): Problem {
  return { kind: 'bad-request', message: `${field}: ${message}`, field, missing: false };
}
