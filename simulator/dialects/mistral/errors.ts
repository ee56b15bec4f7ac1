import type { z } from 'zod';
import type { InjectedProblem, Problem, Refusal, StreamEvent } from '../../dialect.ts';

/** Mistral's words, types and codes for the statuses that it gives itself. */
const INJECTED: Readonly<Record<number, { readonly type: string; readonly code: string; readonly message: string }>> = {
  400: { type: 'invalid_request_error', code: '3051', message: 'Invalid request' },
  429: { type: 'rate_limited', code: '1300', message: 'Rate limit exceeded' },
  500: { type: 'internal_server_error', code: '1000', message: 'Internal server error' },
  503: { type: 'service_unavailable', code: '3505', message: 'Service tier capacity exceeded for this model.' },
};

/** Mistral's error bodies: `{object: 'error', message, type, param, code}`, and `{detail}` where something before the API refused. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
    case 'wrong-api-key':
      return json(401, { detail: 'Unauthorized' });
    case 'unknown-path':
      return json(404, { message: 'no Route matched with those values' });
    case 'wrong-method':
      return json(405, { detail: 'Method Not Allowed' });
    case 'unknown-model':
      return json(400, fault(`Invalid model: ${problem.model}`, 'invalid_model', '1500'));
    case 'bad-json':
      return json(422, { detail: [{ type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {} }] });
    case 'body-too-large':
      return json(413, { message: 'Request entity too large' });
    case 'bad-request': {
      const { field, message } = problem;
      if (field === null) return json(400, fault(message, 'invalid_request_message_order', '3230'));
      return json(422, { detail: [{ type: 'value_error', loc: ['body', ...field.split('.')], msg: message }] });
    }
    case 'injected': {
      const seconds = problem.retryAfterSeconds ?? (problem.status === 429 ? 1 : undefined);
      const made = json(problem.status, injected(problem));
      return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
    }
    default:
      return problem satisfies never;
  }
}

export function streamError(problem: InjectedProblem): StreamEvent {
  return { data: JSON.stringify({ error: injected(problem) }), tokens: 0 };
}

function injected({ status, message, model }: InjectedProblem) {
  if (status === 401) return { detail: 'Unauthorized' };
  const known = INJECTED[status] ?? INJECTED[status < 500 ? 400 : 500]!;
  return fault(message ?? `${known.message} (model: ${model})`, known.type, known.code);
}

function fault(message: string, type: string, code: string) {
  return { object: 'error', message, type, param: null, code };
}

function json(status: number, body: object): Refusal {
  return { status, headers: {}, body: JSON.stringify(body) };
}

/** The first thing that zod found wrong with a body. */
export function badRequest(error: z.ZodError): Problem {
  const issue = error.issues[0];
  const field = (issue?.path ?? []).join('.');
  return {
    kind: 'bad-request',
    message: issue?.message ?? 'Invalid',
    field: field === '' ? 'body' : field,
    missing: false,
  };
}
