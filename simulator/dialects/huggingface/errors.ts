import type { InjectedProblem, Problem, Refusal, StreamEvent } from '../../dialect.ts';

type Words = Readonly<Record<number, string>>;

const ROUTER_WORDS: Words = {
  400: 'The requested model is not supported by any provider you have enabled.',
  401: 'Invalid username or password.',
  402: 'You have exceeded your monthly included credits for Inference Providers.',
  429: 'You have reached the rate limit.',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** The router's error bodies: OpenAI's where it read the request, `{error: text}` where something before it refused. */
export function refuseAsRouter(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
    case 'wrong-api-key':
      return json(401, { error: ROUTER_WORDS[401] });
    case 'unknown-path':
    case 'wrong-method':
      return json(404, { error: 'Not Found' });
    case 'unknown-model': {
      const message = `The requested model '${problem.model}' does not exist`;
      return json(400, {
        error: { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
      });
    }
    case 'bad-json':
      return json(400, { error: 'Invalid JSON' });
    case 'body-too-large':
      return json(413, { error: 'Payload Too Large' });
    case 'bad-request': {
      const { message, field } = problem;
      return json(400, { error: { message, type: 'invalid_request_error', param: field, code: null } });
    }
    case 'injected':
      return withRetry(problem, json(problem.status, { error: { message: messageOf(problem, ROUTER_WORDS) } }));
    default:
      return problem satisfies never;
  }
}

const TGI_WORDS: Words = {
  400: 'Input validation error',
  424: 'Request failed during generation: Server error',
  429: 'Model is overloaded',
  500: 'Incomplete generation',
};
const TGI_TYPES: Readonly<Record<number, string>> = {
  422: 'validation',
  424: 'generation',
  429: 'overloaded',
  500: 'incomplete_generation',
};

/** TGI's error bodies: `{error: text, error_type}`. */
export function refuseAsTgi(problem: Problem): Refusal {
  const fault = (status: number, error: string) => {
    return json(status, { error, error_type: TGI_TYPES[status] ?? 'validation' });
  };
  switch (problem.kind) {
    case 'missing-api-key':
    case 'wrong-api-key':
      return { status: 401, headers: {}, body: 'Unauthorized' };
    case 'unknown-path':
    case 'wrong-method':
      return { status: problem.kind === 'unknown-path' ? 404 : 405, headers: {}, body: '' };
    case 'unknown-model':
      return fault(404, `The model ${problem.model} does not exist`);
    case 'bad-json':
      return { status: 400, headers: {}, body: 'Failed to parse the request body as JSON' };
    case 'body-too-large':
      return { status: 413, headers: {}, body: 'length limit exceeded' };
    case 'bad-request':
      return fault(422, `Input validation error: ${problem.message}`);
    case 'injected':
      return withRetry(problem, fault(problem.status, messageOf(problem, TGI_WORDS)));
    default:
      return problem satisfies never;
  }
}

export function routerStreamError(problem: InjectedProblem): StreamEvent {
  const error = { message: messageOf(problem, ROUTER_WORDS), code: String(problem.status) };
  return { data: JSON.stringify({ error }), tokens: 0 };
}

export function tgiStreamError(problem: InjectedProblem): StreamEvent {
  const error = { message: messageOf(problem, TGI_WORDS), http_status_code: problem.status };
  return { data: JSON.stringify({ error }), tokens: 0 };
}

function messageOf({ status, message, model }: InjectedProblem, words: Words): string {
  return message ?? `${words[status] ?? words[status < 500 ? 400 : 500]} (model: ${model})`;
}

function withRetry({ status, retryAfterSeconds }: InjectedProblem, made: Refusal): Refusal {
  const seconds = retryAfterSeconds ?? (status === 429 ? 1 : undefined);
  return seconds === undefined ? made : { ...made, headers: { 'retry-after': String(seconds) } };
}

function json(status: number, body: object): Refusal {
  return { status, headers: {}, body: JSON.stringify(body) };
}
