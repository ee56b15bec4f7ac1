import type { AddressPolicy } from '#core/upstream-address.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import { type Connector, createConnector, createReadBuffer } from './connector.ts';
import { UpstreamFailure } from './failures.ts';
import { READ_HEADERS, type UpstreamCall, type UpstreamHandler, type UpstreamPools } from './handler.ts';
import { type HeaderInterest, planInterest } from './response-head.ts';

/** Deadlines of calls are kept to this: never early, at most two ticks late (and by what the event loop was held up). */
const TICK_MS = 250;
/** Servers such as uvicorn close idle connections after 5 s without saying so before. */
const MAX_IDLE_MS = 4_000;
/** A server that names its own limit is left this much before it. */
const HINT_MARGIN_MS = 1_000;

/**
 * Connections to one endpoint. Calls are bounded by the connections of callers; this bounds what one upstream that keeps its
 * connections can take of the descriptors that all share. More than the ports between two addresses (28 000) could never be open.
 */
const MAX_CONNECTIONS = 16_384;

export interface PoolDeps {
  readonly policy: AddressPolicy;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** At a time, to one endpoint, idle ones included. */
  readonly maxConnections?: number;
}

/** Connection pools by endpoint. Redirects are never followed, nothing is sent twice; every resolved address is checked. */
export function createUpstreamPools({ policy, nowMs, maxConnections = MAX_CONNECTIONS }: PoolDeps): UpstreamPools {
  const pools = new Map<string, Pool>();
  const interest = planInterest(READ_HEADERS);
  const readBuffer = createReadBuffer();
  const sweep = createSweep(pools, nowMs);
  const outbox = createOutbox();
  return {
    // hot
    dispatch(call, handler, now) {
      let pool = pools.get(call.endpoint.key);
      if (pool === undefined) {
        const { origin, connectTimeoutMs } = call.endpoint;
        const connector = createConnector(origin, connectTimeoutMs, policy, readBuffer);
        pool = new Pool(connector, interest, sweep.coarseNowMs, outbox, maxConnections);
        pools.set(call.endpoint.key, pool);
      }
      sweep.run(now);
      pool.dispatch(call, handler, now);
    },
    close() {
      sweep.stop();
      for (const pool of pools.values()) pool.close();
      pools.clear();
    },
  };
}

/** The connections to one endpoint: as many as there are calls at a time, the last used first. */
class Pool implements ConnectionOwner {
  readonly #connector: Connector;
  readonly #interest: HeaderInterest;
  readonly #coarseNowMs: () => number;
  readonly #outbox: Outbox;
  readonly #maxConnections: number;
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];

  constructor(
    connector: Connector,
    interest: HeaderInterest,
    coarseNowMs: () => number,
    outbox: Outbox,
    maxConnections: number,
  ) {
    this.#connector = connector;
    this.#interest = interest;
    this.#coarseNowMs = coarseNowMs;
    this.#outbox = outbox;
    this.#maxConnections = maxConnections;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  // hot
  dispatch(call: UpstreamCall, handler: UpstreamHandler, nowMs: number): void {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (nowMs < idle.idleUntilMs) return idle.start(call, handler);
      idle.destroy();
    }
    this.#open().start(call, handler);
  }

  #open(): Connection {
    if (this.#all.size >= this.#maxConnections) {
      throw new UpstreamFailure('RINGSIDE_POOL_FULL', 'the pool has as many connections as it may');
    }
    const connection = new Connection(this.#connector, this, this.#interest);
    this.#all.add(connection);
    return connection;
  }

  queued(connection: Connection): void {
    this.#outbox.add(connection);
  }

  released(connection: Connection, keepAliveHintMs: number | null): void {
    const idleMs = Math.min(MAX_IDLE_MS, (keepAliveHintMs ?? Number.POSITIVE_INFINITY) - HINT_MARGIN_MS);
    // The coarse clock may be one tick behind: the connection is given up a little early, never late.
    connection.idleUntilMs = this.#coarseNowMs() + idleMs;
    if (idleMs > 0) this.#idle.push(connection);
    else connection.destroy();
  }

  closed(connection: Connection): void {
    this.#all.delete(connection);
    const place = this.#idle.lastIndexOf(connection);
    if (place !== -1) this.#idle.splice(place, 1);
  }

  tick(nowMs: number): void {
    for (const connection of this.#all) {
      if (!connection.isIdle) connection.tick(TICK_MS);
      else if (nowMs >= connection.idleUntilMs) connection.destroy();
    }
  }

  close(): void {
    for (const connection of this.#all) {
      connection.fail(new UpstreamFailure('RINGSIDE_STOPPED', 'the gateway is stopping'));
    }
  }
}

interface Outbox {
  add(connection: Connection): void;
}

/**
 * Calls leave at the end of the turn in which they came, one behind the other: the upstream is woken once for all of
 * them, which was a fifth of a small call's CPU time.
 */
function createOutbox(): Outbox {
  let waiting: Connection[] = [];
  const flush = () => {
    const batch = waiting;
    waiting = [];
    for (const connection of batch) {
      try {
        connection.send();
      } catch (defect) {
        connection.fail(defect as Error); // the calls behind it leave all the same
      }
    }
  };
  return {
    // hot
    add(connection) {
      if (waiting.push(connection) === 1) setImmediate(flush);
    },
  };
}

/** The one timer of all pools; it runs while there are connections. */
function createSweep(pools: ReadonlyMap<string, Pool>, nowMs: () => number) {
  let timer: NodeJS.Timeout | null = null;
  let coarseNowMs = 0;
  const stop = () => {
    if (timer !== null) clearInterval(timer);
    timer = null;
  };
  const tick = () => {
    coarseNowMs = nowMs();
    let isEmpty = true;
    for (const pool of pools.values()) {
      pool.tick(coarseNowMs);
      isEmpty &&= pool.isEmpty;
    }
    if (isEmpty) stop();
  };
  return {
    /** `now` is read only when the timer starts. */
    run(now: number) {
      if (timer !== null) return;
      coarseNowMs = now;
      timer = setInterval(tick, TICK_MS);
      timer.unref();
    },
    coarseNowMs: () => coarseNowMs,
    stop,
  };
}
