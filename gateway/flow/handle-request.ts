import type { IncomingMessage, ServerResponse } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import { createInferenceId, NO_GROUP_HASH } from '#core/ids.ts';
import type { IngressRoute } from '#translation/dialects/ingress.ts';
import { accept, checkFraming, presentedKey } from './accept.ts';
import { adaptRequest, pickTarget } from './adapt-request.ts';
import { Answer } from './adapt-response.ts';
import { admit } from './admit.ts';
import { assign } from './assign.ts';
import { authorize } from './authorize.ts';
import { dispatch } from './dispatch.ts';
import { failureEnding, sendFailure } from './fail.ts';
import { readMetadata } from './metadata.ts';
import { Outflow } from './outflow.ts';
import type { Ending, Exchange, FlowDeps, Mirrors } from './ports.ts';
import { readBody, recycleBody, releaseBody } from './read-body.ts';
import { record, recordBegin } from './record.ts';
import { resolveGroup, resolveOrganization } from './resolve-group.ts';
import { unusable } from './unusable-target.ts';

/** Handles one governed request from accept to record. Returns at once; what it does not answer, nothing does. */
export type RequestHandler = (route: IngressRoute, incoming: IncomingMessage, outgoing: ServerResponse) => void;

export interface RequestDeps extends FlowDeps {
  readonly mirrors: Mirrors;
}

export function createRequestHandler(deps: RequestDeps): RequestHandler {
  return (route, incoming, outgoing) => {
    const exchange = accept(deps, route, incoming, outgoing);
    let answer: Answer | null = null;
    deps.recorder.inFlight(1);
    outgoing.once('close', () => {
      deps.recorder.inFlight(-1);
      releaseBody(deps, exchange);
      if (!exchange.ended) leave(deps, exchange, answer);
    });
    // The one catch of a request: around both of its halves, before the body and behind it.
    const refuse = (reason: unknown) => {
      const error = RingsideError.from(reason);
      if (error.code === 'internal') deps.onDefect(error.cause ?? error);
      fail(deps, exchange, error, {});
    };
    const goOn = (body: Buffer) => {
      try {
        answer = send(deps, exchange, body);
      } catch (reason) {
        refuse(reason);
      }
    };
    try {
      identify(deps, exchange);
      readBody(deps, exchange, goOn, refuse);
    } catch (reason) {
      refuse(reason);
    }
  };
}

/** The rooms before the body: nobody anonymous makes us read one. */
function identify(deps: FlowDeps, exchange: Exchange): void {
  checkFraming(exchange.incoming);
  exchange.key = deps.authenticator.authenticate(presentedKey(exchange.ingress, exchange.incoming));
  exchange.organization = resolveOrganization(deps.organizations(), exchange.key);
}

/** The rooms from the body to the upstream, in order. Null when the caller has left meanwhile. */
function send(deps: RequestDeps, exchange: Exchange, body: Buffer): Answer | null {
  const key = exchange.key!;
  const organization = exchange.organization!;
  const { ingress, operation, path } = exchange;
  const contentType = exchange.incoming.headers['content-type'];
  const request = ingress.parseRequest(body, deps.scanPlans.get(ingress)!, operation, path, contentType);
  exchange.request = request;
  exchange.metadata = readMetadata(exchange.incoming.headers, request.metadata);
  const group = resolveGroup(organization, key, request.model);
  exchange.group = group;
  exchange.assignment = assign(deps, exchange, organization, group, key, request.user);
  admit(deps, exchange.assignment.variant.terms);
  const target = pickTarget(exchange.assignment, exchange.id);
  exchange.target = target;
  const { access } = target;
  if (access?.kind === 'unusable') {
    if (exchange.outgoing.destroyed) return null;
    recordBegin(deps, exchange, body);
    throw unusable(target.providerName);
  }
  const call = adaptRequest(exchange, request, body, target, deps.clock.unixMs);
  if (exchange.outgoing.destroyed) return null;
  recordBegin(deps, exchange, body);
  if (group.mirror !== null) deps.mirrors.draw(exchange, body);
  const outflow = new Outflow(exchange, deps.stalledReaderMs, deps.signsOfLife);
  const answer = new Answer(deps, exchange, outflow, {
    complete: (ending, deliver) => finish(deps, exchange, ending, deliver),
    fail: (error, partial) => fail(deps, exchange, error, partial),
    unrecorded: () => sendFailure(exchange, unrecorded(), deps.stalledReaderMs),
  });
  if (access === undefined) dispatch(deps, exchange, call, answer);
  else authorize(deps, exchange, access.grant, call, answer, (ready) => dispatch(deps, exchange, ready, answer));
  return answer;
}

function fail(deps: RequestDeps, exchange: Exchange, error: RingsideError, partial: Partial<Ending>): void {
  if (exchange.id === '') exchange.id = createInferenceId(exchange.startUnixMs, NO_GROUP_HASH, deps.random);
  finish(deps, exchange, failureEnding(exchange, error, partial), () =>
    sendFailure(exchange, error, deps.stalledReaderMs),
  );
}

/** Once the record is written, nothing of ours reads the body any more, but for the calls that mirror it. */
function finish(deps: RequestDeps, exchange: Exchange, ending: Ending, deliver: (recorded: boolean) => void): void {
  record(deps, exchange, ending, (recorded) => {
    deliver(recorded);
    if (exchange.drawn !== null) deps.mirrors.follow(exchange, ending, recorded);
    recycleBody(deps, exchange);
  });
}

/** The caller went away before the end of its answer: the upstream call is cancelled and what is known is recorded. */
function leave(deps: RequestDeps, exchange: Exchange, answer: Answer | null): void {
  exchange.attempt?.cancel();
  const error = new RingsideError('client_closed', 'The caller closed the connection.');
  finish(deps, exchange, failureEnding(exchange, error, answer?.leave() ?? {}), () => undefined);
}

function unrecorded(): RingsideError {
  return new RingsideError('log_unavailable', 'The inference log could not take this inference; try again.');
}
