import { z } from 'zod';
import type { InjectedProblem, Problem, Refusal, StreamEvent } from '../../dialect.ts';

/** Cohere's words for the statuses that it gives itself (its guide to errors). */
const INJECTED: Readonly<Record<number, string>> = {
  400: 'invalid request: the request was not valid.',
  401: 'invalid api token',
  402: 'Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue',
  403: 'you do not have access to this resource',
  404: 'model not found, make sure the correct model ID was used and that you have access to the model.',
  429: 'You are past the per minute request limit, please wait and try again later.',
  498: 'the request was blocked',
  500: 'internal server error, this has been reported to our developers.',
  503: 'the service is overloaded, please try again later.',
};

/** Cohere's error body: `{id, message}`. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
      return refusal(401, 'no api key supplied');
    case 'wrong-api-key':
      return refusal(401, 'invalid api token');
    case 'unknown-path':
      return refusal(404, `path ${problem.path} not found`);
    case 'wrong-method':
      return refusal(405, `method ${problem.method} not allowed`);
    case 'unknown-model':
      return refusal(404, `model '${problem.model}' not found, make sure the correct model ID was used.`);
    case 'bad-json':
      return refusal(400, 'invalid request: invalid JSON syntax');
    case 'body-too-large':
      return refusal(413, 'request body is too large');
    case 'bad-request':
      return refusal(400, problem.message);
    case 'injected': {
      const seconds = problem.retryAfterSeconds ?? (problem.status === 429 ? 1 : undefined);
      const made = refusal(problem.status, messageOf(problem));
      return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
    }
    default:
      return problem satisfies never;
  }
}

/** A stream that fails ends as others do, with another reason. */
export function streamError(problem: InjectedProblem): StreamEvent {
  const delta = { finish_reason: 'ERROR', error: messageOf(problem) };
  return { event: 'message-end', data: JSON.stringify({ type: 'message-end', delta }), tokens: 0 };
}

function messageOf({ status, message, model }: InjectedProblem): string {
  return message ?? `${INJECTED[status] ?? INJECTED[status < 500 ? 400 : 500]} (model: ${model})`;
}

function refusal(status: number, message: string): Refusal {
  const id = '6ab5c2d4-0f6e-4a0e-9a43-5d1a9a0c7b11';
  return { status, headers: {}, body: JSON.stringify({ id, message }) };
}

/** The first thing that zod found wrong with a body. */
export function badRequest(error: z.ZodError, body: unknown): Problem {
  const issue = error.issues[0];
  const path = issue?.path ?? [];
  const field = path.length === 0 ? null : z.core.toDotPath(path);
  const missing = path.length === 1 && !Object.hasOwn(Object(body), path[0]!);
  const message = missing
    ? `invalid request: a ${field} parameter is required for this endpoint.`
    : `invalid request: ${field ?? 'body'}: ${issue?.message}`;
  return { kind: 'bad-request', message, field, missing };
}
