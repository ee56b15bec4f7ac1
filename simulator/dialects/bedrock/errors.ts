import { z } from 'zod';
import type { InjectedProblem, Problem, Refusal, StreamEvent } from '../../dialect.ts';

/** Bedrock's exceptions by status, each with what it says. */
const EXCEPTIONS: Readonly<Record<number, readonly [name: string, message: string]>> = {
  400: ['ValidationException', 'The provided request is not valid'],
  401: ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  403: ['AccessDeniedException', "You don't have access to the model with the specified model ID."],
  404: ['ResourceNotFoundException', 'Could not resolve the foundation model from the provided model identifier.'],
  408: ['ModelTimeoutException', 'Model has timed out in processing the request. Try your request again.'],
  424: ['ModelErrorException', 'The model returned the following errors'],
  429: ['ThrottlingException', 'Too many requests, please wait before trying again.'],
  500: [
    'InternalServerException',
    'The system encountered an unexpected error during processing. Try your request again.',
  ],
  503: ['ServiceUnavailableException', 'Bedrock is unable to process your request.'],
};

/** The same inside a stream, as the union ConverseStreamOutput names them. */
const IN_STREAM: Readonly<Record<number, string>> = {
  400: 'validationException',
  424: 'modelStreamErrorException',
  429: 'throttlingException',
  500: 'internalServerException',
  503: 'serviceUnavailableException',
};

/** `{"message": …}`, with the exception's name in a header. */
export function refuse(problem: Problem): Refusal {
  switch (problem.kind) {
    case 'missing-api-key':
      return refusal(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token');
    case 'wrong-api-key':
      return refusal(
        403,
        'InvalidSignatureException',
        'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      );
    case 'unknown-path':
    case 'wrong-method':
      return refusal(404, 'UnknownOperationException', `No operation ${problem.method} ${problem.path}`);
    case 'unknown-model':
      return refusal(400, 'ValidationException', 'The provided model identifier is invalid.');
    case 'bad-json':
      return refusal(400, 'SerializationException', 'The request body is not JSON');
    case 'body-too-large':
      return refusal(413, 'RequestEntityTooLargeException', 'The request body is too large');
    case 'bad-request':
      return refusal(400, 'ValidationException', problem.message);
    case 'injected': {
      const { status, model, message, retryAfterSeconds } = problem;
      const [name, text] = exceptionOf(status);
      const made = refusal(status, name, message ?? `${text} (model: ${model})`);
      if (retryAfterSeconds === undefined) return made;
      return { ...made, headers: { ...made.headers, 'retry-after': String(retryAfterSeconds) } };
    }
    default:
      return problem satisfies never;
  }
}

export function streamError({ status, model, message }: InjectedProblem): StreamEvent {
  const event = IN_STREAM[status] ?? (status < 500 ? 'modelStreamErrorException' : 'internalServerException');
  return {
    event,
    data: JSON.stringify({ message: message ?? `${exceptionOf(status)[1]} (model: ${model})` }),
    tokens: 0,
  };
}

function exceptionOf(status: number): readonly [string, string] {
  return EXCEPTIONS[status] ?? EXCEPTIONS[status < 500 ? 400 : 503]!;
}

function refusal(status: number, name: string, message: string): Refusal {
  return { status, headers: { 'x-amzn-errortype': name }, body: JSON.stringify({ message }) };
}

/** What zod found wrong, in one sentence. */
export function badRequest(error: z.ZodError): Problem {
  const issue = error.issues[0];
  const path = issue?.path ?? [];
  const field = path.length === 0 ? null : z.core.toDotPath(path);
  return {
    kind: 'bad-request',
    message: `The value at ${field ?? 'the request'} failed to satisfy constraint: ${issue?.message}.`,
    field,
    missing: false,
  };
}
