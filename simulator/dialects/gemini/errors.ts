import { z } from 'zod';
import type { Problem, Refusal, StreamEvent } from '../../dialect.ts';

const TYPE = 'type.googleapis.com/google.rpc';

/** Google's names of statuses, and what it says with them. */
const INJECTED: Readonly<Record<number, readonly [name: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'Request contains an invalid argument.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  403: ['PERMISSION_DENIED', 'The caller does not have permission'],
  404: ['NOT_FOUND', 'Requested entity was not found.'],
  429: ['RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan and billing details.'],
  500: ['INTERNAL', 'An internal error has occurred. Please retry or report it.'],
  503: ['UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  504: ['DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'],
};

/** Google's error body: `{"error": {code, message, status, details}}`. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
      return refusal(
        403,
        'PERMISSION_DENIED',
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other " +
          'form of API consumer identity to call this API.',
      );
    case 'wrong-api-key':
      return refusal(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
        { '@type': `${TYPE}.ErrorInfo`, reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
      ]);
    case 'unknown-path':
    case 'wrong-method':
      return refusal(404, 'NOT_FOUND', `Not found: ${problem.method} ${problem.path}`);
    case 'unknown-model':
      return refusal(
        404,
        'NOT_FOUND',
        `models/${problem.model} is not found for API version v1beta, or is not supported for generateContent.`,
      );
    case 'bad-json':
      return refusal(400, 'INVALID_ARGUMENT', 'Invalid JSON payload received. Unexpected end of string.');
    case 'body-too-large':
      return refusal(413, 'INVALID_ARGUMENT', 'Request payload size exceeds the limit.');
    case 'bad-request':
      return refusal(400, 'INVALID_ARGUMENT', problem.message, [
        {
          '@type': `${TYPE}.BadRequest`,
          fieldViolations: [{ field: problem.field ?? '', description: problem.message }],
        },
      ]);
    case 'injected': {
      const { status, model, message } = problem;
      const [name, text] = INJECTED[status] ?? INJECTED[status < 500 ? 400 : 503]!;
      // The API says how long to wait in the body only.
      const seconds = problem.retryAfterSeconds ?? (status === 429 ? 1 : null);
      const wait = seconds === null ? [] : [{ '@type': `${TYPE}.RetryInfo`, retryDelay: `${seconds}s` }];
      return refusal(status, name, message ?? `${text} (model: ${model})`, wait);
    }
  }
}

export function streamError(problem: Extract<Problem, { kind: 'injected' }>): StreamEvent {
  return { data: refuse(problem).body, tokens: 0 };
}

function refusal(code: number, status: string, message: string, details: readonly object[] = []): Refusal {
  const error = { code, message, status, ...(details.length === 0 ? {} : { details }) };
  return { status: code, headers: {}, body: JSON.stringify({ error }) };
}

/** The first thing that zod found wrong with a body, in Google's words. */
export function badRequest(error: z.ZodError): Problem {
  const issue = error.issues[0];
  const path = issue === undefined || issue.path.length === 0 ? '' : z.core.toDotPath(issue.path);
  const message =
    issue?.code === 'unrecognized_keys'
      ? `Invalid JSON payload received. Unknown name "${issue.keys[0]}"${path === '' ? '' : ` at '${path}'`}: Cannot find field.`
      : `* GenerateContentRequest.${path}: ${issue?.message}`;
  return { kind: 'bad-request', message, field: path === '' ? null : path, missing: false };
}
