import type { IncomingMessage, ServerResponse } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import type { Operation } from '#core/names.ts';
import { parseRequest } from '../dialects/openai-chat/request.ts';
import { accept, checkFraming } from './accept.ts';
import { adaptRequest, pickTarget } from './adapt-request.ts';
import { Answer } from './adapt-response.ts';
import { admit } from './admit.ts';
import { assign } from './assign.ts';
import { dispatch } from './dispatch.ts';
import { failureEnding, sendFailure } from './fail.ts';
import type { Ending, Exchange, FlowDeps } from './ports.ts';
import { readBody, releaseBody } from './read-body.ts';
import { record, recordBegin } from './record.ts';
import { resolveGroup, resolveOrganization } from './resolve-group.ts';

/** Handles one governed request from accept to record. Returns at once; what it does not answer, nothing does. */
export type RequestHandler = (operation: Operation, incoming: IncomingMessage, outgoing: ServerResponse) => void;

export function createRequestHandler(deps: FlowDeps): RequestHandler {
  return (operation, incoming, outgoing) => {
    const exchange = accept(deps, operation, incoming, outgoing);
    let answer: Answer | null = null;
    deps.recorder.inFlight(1);
    outgoing.once('close', () => {
      deps.recorder.inFlight(-1);
      releaseBody(deps, exchange);
      if (!exchange.ended) leave(deps, exchange, answer);
    });
    run(deps, exchange, (created) => {
      answer = created;
    }).catch((reason: unknown) => {
      const error = RingsideError.from(reason);
      if (error.code === 'internal') deps.onDefect(error.cause ?? error);
      fail(deps, exchange, error, {});
    });
  };
}

/** The rooms, in order. */
async function run(deps: FlowDeps, exchange: Exchange, onAnswer: (answer: Answer) => void): Promise<void> {
  checkFraming(exchange.incoming);
  const key = deps.authenticator.authenticate(exchange.incoming.headers.authorization);
  exchange.key = key;
  const organization = resolveOrganization(deps.organizations(), key);
  exchange.organization = organization;
  const body = await readBody(deps, exchange);
  const request = parseRequest(body, deps.scanPlan, exchange.operation);
  exchange.request = request;
  const group = resolveGroup(organization, key, request.model);
  exchange.group = group;
  exchange.assignment = assign(deps, exchange, organization, group, key, request.user);
  admit(deps);
  const target = pickTarget(exchange.assignment, exchange.id);
  exchange.target = target;
  const call = adaptRequest(exchange, request, body, target);
  if (exchange.outgoing.destroyed) return;
  recordBegin(deps, exchange, body);
  const answer = new Answer(deps, exchange, {
    complete: (ending, deliver) => record(deps, exchange, ending, deliver),
    fail: (error, partial) => fail(deps, exchange, error, partial),
    unrecorded: () => sendFailure(exchange, unrecorded(), deps.stalledReaderMs),
  });
  onAnswer(answer);
  dispatch(deps, exchange, call, answer);
}

function fail(deps: FlowDeps, exchange: Exchange, error: RingsideError, partial: Partial<Ending>): void {
  record(deps, exchange, failureEnding(exchange, error, partial), () =>
    sendFailure(exchange, error, deps.stalledReaderMs),
  );
}

/** The caller went away before the end of its answer: the upstream call is cancelled and what is known is recorded. */
function leave(deps: FlowDeps, exchange: Exchange, answer: Answer | null): void {
  exchange.cancel?.();
  const error = new RingsideError('client_closed', 'The caller closed the connection.');
  record(deps, exchange, failureEnding(exchange, error, answer?.leave() ?? {}), () => undefined);
}

function unrecorded(): RingsideError {
  return new RingsideError('log_unavailable', 'The inference log could not take this inference; try again.');
}
