import { type Behaviour, parseBehaviour } from './behaviour.ts';
import { ANY_MODEL, type BehaviourRegistry } from './behaviour-registry.ts';
import type { readBody } from './body.ts';
import type { Clock } from './clock.ts';
import { deliver } from './delivery.ts';
import type { Call, Dialect, Problem, RequestHead, Route, StreamEvent } from './dialect.ts';
import { type Cut, drawRequest } from './draw.ts';
import type { Exchange } from './exchange.ts';
import { readForm } from './form.ts';
import type { Journal } from './journal.ts';
import { createRandom, type Random } from './random.ts';

interface ResponderDeps {
  readonly dialects: readonly Dialect[];
  readonly registry: BehaviourRegistry;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly seed: number;
  readonly requiredApiKey: string | undefined;
  readonly strictModels: boolean;
}

type Received = Awaited<ReturnType<typeof readBody>>;

const HTML_PAGE =
  '<!DOCTYPE html><html><head><title>Please wait</title></head><body><h1>Checking your browser</h1></body></html>\n';

/** Answers one provider request from its head to its last byte, as the model's behaviour says. */
export function createResponder(deps: ResponderDeps): (exchange: Exchange, body: Received) => Promise<void> {
  const { registry, journal, clock, seed } = deps;

  // hot
  return async (exchange, body) => {
    if (body === 'gone') return;
    const { entry, request } = exchange;
    const head: RequestHead = { method: entry.method, path: entry.path, query: entry.query, headers: request.headers };
    const { dialect, route } = findRoute(deps.dialects, head);
    if (body !== 'too-large') journal.setBody(entry, body);
    const call = readCall(deps, dialect, head, route, body);
    if (call.kind !== 'call') {
      refuse(exchange, dialect, call, createRandom(`refusal ${seed} ${entry.sequence}`));
      return;
    }
    if (call.model !== null) journal.setModel(entry, call.model, call.stream);
    const model = call.model ?? ANY_MODEL;
    const behaviour = behaviourFor(registry, model, head);
    const random = createRandom(drawSeed(model, head));
    if ('kind' in behaviour) refuse(exchange, dialect, behaviour, random);
    else await play(exchange, dialect, call, behaviour, random);
  };

  /** The k-th request of a model always has the same seed; one that names its own is not counted. */
  function drawSeed(model: string, head: RequestHead): string {
    const own = head.headers['x-sim-seed'];
    return own === undefined ? `turn ${seed} ${model} ${registry.takeTurn(model)}` : `own ${seed} ${model} ${own}`;
  }

  async function play(exchange: Exchange, dialect: Dialect, call: Call, behaviour: Behaviour, random: Random) {
    const { fate, latencyMs, firstTokenMs } = drawRequest(behaviour, random);
    if (fate.kind === 'black-hole') return exchange.hold();
    if (latencyMs > 0 && !(await exchange.wait(latencyMs))) return;
    switch (fate.kind) {
      case 'answer': {
        const createdSeconds = Math.floor(clock.nowMs() / 1000);
        const answer = call.answer({ seed, behaviour, random, createdSeconds, models: registry.models });
        const headers = dialect.headers(random, latencyMs + firstTokenMs);
        const errorEvent = streamErrorOf(dialect, call, fate.cut);
        return deliver(exchange, { answer, behaviour, firstTokenMs, cut: fate.cut, headers, clock, errorEvent });
      }
      case 'reset-before-headers':
        return exchange.cut();
      case 'html':
        return exchange.send(200, { 'content-type': 'text/html; charset=utf-8' }, HTML_PAGE);
      case 'error': {
        const { status, message, retryAfterSeconds } = fate.error;
        const model = call.model ?? ANY_MODEL;
        return refuse(exchange, dialect, { kind: 'injected', status, model, message, retryAfterSeconds }, random);
      }
    }
  }
}

function streamErrorOf(dialect: Dialect, call: Call, cut: Cut | undefined): StreamEvent | undefined {
  if (cut?.kind !== 'error') return undefined;
  const { status, message } = cut;
  const model = call.model ?? ANY_MODEL;
  const problem = { kind: 'injected', status, model, message, retryAfterSeconds: undefined } as const;
  return call.streamError?.(problem) ?? dialect.streamError(problem);
}

function findRoute(dialects: readonly Dialect[], head: RequestHead): { dialect: Dialect; route: Route | Problem } {
  for (const dialect of dialects) {
    const route = dialect.route(head);
    if (route) return { dialect, route };
  }
  return { dialect: dialects.at(-1)!, route: { kind: 'unknown-path', method: head.method, path: head.path } };
}

function readCall(
  deps: ResponderDeps,
  dialect: Dialect,
  head: RequestHead,
  route: Route | Problem,
  body: Buffer | 'too-large',
): Call | Problem {
  if (deps.requiredApiKey !== undefined) {
    const problem = checkKey(dialect, head, body, deps.requiredApiKey);
    if (problem !== undefined) return problem;
  }
  if (route.kind !== 'route') return route;
  if (body === 'too-large') return { kind: 'body-too-large' };
  const content = route.takesBody ? parseBody(route, head, body) : undefined;
  if (route.takesBody && content === undefined) return { kind: 'bad-json' };
  const call = route.read(content);
  const unknown = deps.strictModels && call.kind === 'call' && call.model !== null && !deps.registry.knows(call.model);
  return unknown ? { kind: 'unknown-model', model: call.model! } : call;
}

function parseBody(route: Route, { headers }: RequestHead, body: Buffer): unknown {
  return route.takesForm ? readForm(body, headers['content-type']) : parseJson(body);
}

function checkKey(
  dialect: Dialect,
  head: RequestHead,
  body: Buffer | 'too-large',
  requiredApiKey: string,
): Problem | undefined {
  // A body that was not kept cannot be checked; it is refused for its size.
  if (dialect.checkKey) return body === 'too-large' ? undefined : dialect.checkKey(head, body, requiredApiKey);
  const presentedKey = dialect.presentedKey(head);
  if (presentedKey === undefined) return { kind: 'missing-api-key' };
  return presentedKey === requiredApiKey ? undefined : { kind: 'wrong-api-key', presentedKey };
}

/** Undefined for what is no JSON (which can't say undefined itself). */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function behaviourFor(registry: BehaviourRegistry, model: string, { headers }: RequestHead): Behaviour | Problem {
  const own = headers['x-sim-behaviour'];
  if (own === undefined) return registry.of(model);
  const parsed = parseBehaviour(String(own), registry.of(model));
  if (parsed.kind === 'behaviour') return parsed.behaviour;
  return { kind: 'bad-request', message: `x-sim-behaviour: ${parsed.message}`, field: null, missing: false };
}

function refuse(exchange: Exchange, dialect: Dialect, problem: Problem, random: Random): void {
  const { status, headers, body } = dialect.refuse(problem);
  const all = { ...dialect.headers(random, 0), ...headers, 'content-type': 'application/json' };
  // The rest of a body that is too large is not worth waiting for.
  exchange.send(status, problem.kind === 'body-too-large' ? { ...all, connection: 'close' } : all, body);
}
