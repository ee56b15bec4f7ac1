import type { Problem, Refusal } from '../../dialect.ts';

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'unauthorized',
  404: 'model not found',
  429: 'too many requests',
  500: 'internal error',
  503: 'server is not ready',
};

/** `{"error": text}`. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
    case 'wrong-api-key':
      return refusal(401, 'unauthorized');
    case 'unknown-path':
      return refusal(404, 'Not Found');
    case 'wrong-method':
      return refusal(405, 'Method Not Allowed');
    case 'unknown-model':
      return refusal(404, `Request for unknown model: '${problem.model}' is not found`);
    case 'bad-json':
      return refusal(400, 'failed to parse the request JSON buffer');
    case 'body-too-large':
      return refusal(413, 'the request is too large');
    case 'bad-request':
      return refusal(400, problem.message);
    case 'injected': {
      const { status, model, message, retryAfterSeconds } = problem;
      const made = refusal(status, message ?? `${MESSAGES[status] ?? 'request failed'} (model: ${model})`);
      return retryAfterSeconds === undefined
        ? made
        : { ...made, headers: { 'retry-after': String(retryAfterSeconds) } };
    }
    default:
      return problem satisfies never;
  }
}

function refusal(status: number, error: string): Refusal {
  return { status, headers: {}, body: JSON.stringify({ error }) };
}
