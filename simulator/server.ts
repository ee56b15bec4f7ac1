import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type BehaviourInput, behaviourSchema } from './behaviour.ts';
import { createBehaviourRegistry } from './behaviour-registry.ts';
import { readBody } from './body.ts';
import { type Clock, systemClock } from './clock.ts';
import { CONTROL_PREFIX, createControl } from './control.ts';
import type { Dialect } from './dialect.ts';
import { anthropicDialect } from './dialects/anthropic/routes.ts';
import { azureDialect } from './dialects/azure/routes.ts';
import { bedrockDialect } from './dialects/bedrock/routes.ts';
import { cohereDialect } from './dialects/cohere/routes.ts';
import { geminiDialect } from './dialects/gemini/routes.ts';
import { huggingfaceDialect, tgiDialect } from './dialects/huggingface/routes.ts';
import { mistralDialect } from './dialects/mistral/routes.ts';
import { oipDialect } from './dialects/oip/routes.ts';
import { createRealtimeServer } from './dialects/openai/realtime-socket.ts';
import { openaiDialect } from './dialects/openai/routes.ts';
import { Exchange } from './exchange.ts';
import { createJournal, type Journal } from './journal.ts';
import { createResponder } from './responder.ts';

const DIALECTS: readonly Dialect[] = [
  anthropicDialect,
  geminiDialect,
  azureDialect,
  cohereDialect,
  huggingfaceDialect,
  mistralDialect,
  tgiDialect,
  bedrockDialect,
  oipDialect,
  openaiDialect,
];

/** Longer than any client keeps an idle connection, so that it is never the simulator that closes one under a request. */
const KEEP_ALIVE_MS = 120_000;
const CLOSE_GRACE_MS = 2_000;

export interface SimulatorOptions {
  /** Default 1. The same seed gives the same decisions and the same answers. */
  readonly seed?: number | undefined;
  /** By model name; `*` is for all others. */
  readonly behaviours?: Readonly<Record<string, BehaviourInput>> | undefined;
  /** Without it every key, and none, is accepted. */
  readonly requiredApiKey?: string | undefined;
  /** Only models with a behaviour of their own exist. */
  readonly strictModels?: boolean | undefined;
  /** How many requests the journal keeps: 10 000 by default. */
  readonly journalCapacity?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** An HTTP server that imitates a model provider, and can be told to misbehave. */
export interface Simulator {
  /** Port 0 takes a free one. Rejects if the port is taken. */
  listen(host: string, port: number): Promise<{ host: string; port: number }>;
  /** Stops listening, ends what would never end, lets the others end for `graceMs` (default 2 000), then destroys them. */
  close(graceMs?: number): Promise<void>;
  /** As `PUT /_sim/models/{model}`; throws a ZodError for a bad behaviour. */
  setBehaviour(model: string, behaviour: BehaviourInput): void;
  /** As `DELETE /_sim/models/{model}`; false if the model had none of its own. */
  removeBehaviour(model: string): boolean;
  readonly journal: Pick<Journal, 'read' | 'clear'>;
}

/** Builds a simulator; it does nothing until `listen`. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const clock = options.clock ?? systemClock;
  const registry = createBehaviourRegistry();
  const setBehaviour = (model: string, behaviour: BehaviourInput) =>
    registry.set(model, Object.freeze(behaviourSchema.parse(behaviour)));
  for (const [model, behaviour] of Object.entries(options.behaviours ?? {})) setBehaviour(model, behaviour);
  const journal = createJournal(options.journalCapacity);
  const control = createControl({ registry, journal });
  const deps = {
    ...{ registry, journal, clock, seed: options.seed ?? 1 },
    requiredApiKey: options.requiredApiKey,
    strictModels: options.strictModels ?? false,
  };
  const respond = createResponder({ dialects: DIALECTS, ...deps });
  const realtime = createRealtimeServer(deps);
  const held = new Set<Exchange>();
  const shouldUpgradeCallback = (request: IncomingMessage) => request.url!.startsWith('/v1/realtime');
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, shouldUpgradeCallback },
    (request, response) => void serve(request, response),
  );
  server.on('upgrade', realtime.handle);

  // hot
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', rawHeaders } = request;
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    try {
      if (path.startsWith(CONTROL_PREFIX)) {
        await control(request, response, path, query);
        return;
      }
      const entry = journal.open({ atMs: clock.nowMs(), method, path, query, rawHeaders });
      const exchange = new Exchange(request, response, entry, held);
      await respond(exchange, await readBody(request));
    } catch (error) {
      fail(response, error);
    } finally {
      if (!server.listening) server.closeIdleConnections();
    }
  }

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          const address = server.address();
          resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port });
        });
      }),
    close: (graceMs = CLOSE_GRACE_MS) =>
      new Promise((resolve) => {
        const deadline = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(deadline);
          resolve();
        });
        server.closeIdleConnections();
        for (const exchange of held) exchange.cut();
        realtime.close();
      }),
    setBehaviour,
    removeBehaviour: (model) => registry.remove(model),
    journal,
  };
}

/** A defect of the simulator itself: says so, in a way that no provider would. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(500, { 'content-type': 'text/plain' }).end(`simulator defect: ${String(error)}`);
}
