import type { InjectedProblem, Problem, Refusal, StreamEvent } from '../../dialect.ts';
import { filterResults } from './filters.ts';

/** Azure's words and codes for the statuses that it gives itself. */
const INJECTED: Readonly<Record<number, { readonly code: string | null; readonly message: string }>> = {
  401: {
    code: '401',
    message:
      'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription.',
  },
  404: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' },
  429: {
    code: '429',
    message:
      'Requests to the ChatCompletions_Create Operation have exceeded the token rate limit of your pricing tier.',
  },
  500: {
    code: 'InternalServerError',
    message: 'Backend returned unexpected response. Please contact Microsoft for help.',
  },
};

/** Azure's error bodies: `{error: {code, message}}`, with OpenAI's fields where the model's server speaks. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
    case 'wrong-api-key':
      return refusal(401, INJECTED[401]!);
    case 'unknown-path':
    case 'wrong-method':
      return refusal(404, { code: '404', message: 'Resource not found' });
    case 'unknown-model':
      return refusal(404, INJECTED[404]!);
    case 'bad-json':
      return refusal(400, invalid('We could not parse the JSON body of your request.', null));
    case 'body-too-large':
      return refusal(413, { code: '413', message: 'Request body too large' });
    case 'bad-request':
      return refusal(400, invalid(problem.message, problem.field));
    case 'injected': {
      const seconds = problem.retryAfterSeconds ?? (problem.status === 429 ? 1 : undefined);
      const made = refusal(problem.status, injected(problem));
      return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
    }
    default:
      return problem satisfies never;
  }
}

export function streamError(problem: InjectedProblem): StreamEvent {
  return { data: refuse(problem).body, tokens: 0 };
}

/** A 400 that a behaviour asks for is the one that only Azure has: a filter stopped the prompt. */
function injected({ status, message, model }: InjectedProblem): object {
  if (status === 400) {
    return {
      message:
        message ?? "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      type: null,
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: filterResults('violence') },
    };
  }
  const known = INJECTED[status] ?? INJECTED[status < 500 ? 404 : 500]!;
  return { ...known, message: message ?? `${known.message} (model: ${model})` };
}

function invalid(message: string, param: string | null): object {
  return { message, type: 'invalid_request_error', param, code: null };
}

function refusal(status: number, error: object): Refusal {
  return { status, headers: {}, body: JSON.stringify({ error }) };
}
