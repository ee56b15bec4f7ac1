import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { reasonOf, traceOf } from '#core/reason.ts';
import type { SpoolHold } from '#inference-log/spool-hold.ts';
import { type BootedWorker, bootWorker } from './boot.ts';
import { AddressInUseError } from './listener.ts';
import { allocateCells, GAUGE } from './telemetry/layout.ts';
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts';

export interface WorkerSlotDeps {
  readonly index: number;
  /** What a worker starts with at this moment. */
  readonly startOf: (slot: {
    readonly index: number;
    readonly cells: Float64Array;
    readonly listenFd: number;
  }) => WorkerStart;
  /** Another descriptor of the listening socket. */
  readonly duplicate: () => Promise<number>;
  /** Its worker is gone, and with it whatever it held. */
  readonly onEnded: () => void;
  readonly onSpool: (spoolId: string, hold: SpoolHold) => void;
  readonly onServing: () => void;
  readonly log: (line: string) => void;
}

type State =
  | { readonly kind: 'empty' }
  /** `first`: its failure is the gateway's, and not tried again. */
  | { readonly kind: 'starting'; readonly worker: Worker; readonly first: boolean }
  | { readonly kind: 'serving' | 'draining'; readonly worker: Worker }
  | { readonly kind: 'waiting'; readonly retry: NodeJS.Timeout };

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** A worker that lived this long had a good start: the back-off begins anew. */
const STABLE_MS = 10_000;
/** A thread that is still there so long after the drain limit is ended. */
const STOP_GRACE_MS = 3_000;

/**
 * The place of one serving thread. It outlives its worker: counters stay, what was in flight is zeroed.
 *
 *   empty ──launch──▶ starting ──listening──▶ serving ──died──▶ waiting ──back-off──▶ starting
 *     ▲                  ├──died, the first──▶ empty               ▲
 *     │                  └──died, a replacement────────────────────┘
 *     └──ended── draining ◀──stop── starting, serving;  waiting ──stop──▶ empty
 */
export class WorkerSlot {
  readonly cells = allocateCells();
  /** How often its worker was lost. */
  restarts = 0;
  readonly #deps: WorkerSlotDeps;
  #state: State = { kind: 'empty' };
  #servedVersion = 0;
  /** In a row. */
  #failures = 0;

  constructor(deps: WorkerSlotDeps) {
    this.#deps = deps;
  }

  /** The version that its worker serves; null without one: a successor starts with what is current. */
  get servedVersion(): number | null {
    return 'worker' in this.#state ? this.#servedVersion : null;
  }

  send(message: ToWorker): void {
    if ('worker' in this.#state) this.#state.worker.postMessage(message);
  }

  /**
   * The first start. Resolves when the worker listens on the descriptor, which is the slot's from here on.
   * @throws when it ends before that
   */
  launch(listenFd: number, booted?: BootedWorker): Promise<void> {
    return this.#launch(listenFd, true, booted);
  }

  /** Lets its worker finish what is under way within the limit; resolves when it has let go of its spool. */
  async stop(drainMs: number): Promise<void> {
    const worker = this.#leave();
    if (worker === null) return;
    const exited = new Promise<void>((done) => worker.once('exit', () => done()));
    worker.postMessage({ type: 'stop', drainMs } satisfies ToWorker);
    const limit = setTimeout(() => void worker.terminate(), drainMs + STOP_GRACE_MS);
    await exited;
    clearTimeout(limit);
  }

  /** Ends its worker at once. */
  async end(): Promise<void> {
    await this.#leave()?.terminate();
  }

  /** Whatever happens to the worker from here on, it gets no successor. */
  #leave(): Worker | null {
    const state = this.#state;
    if (state.kind === 'waiting') clearTimeout(state.retry);
    const worker = 'worker' in state ? state.worker : null;
    this.#state = worker === null ? { kind: 'empty' } : { kind: 'draining', worker };
    return worker;
  }

  #launch(listenFd: number, first: boolean, { worker, failure } = bootWorker(this.#deps.index)): Promise<void> {
    const failed = failure();
    if (failed !== null) {
      closeSync(listenFd);
      return Promise.reject(failed);
    }
    const { index } = this.#deps;
    const start = this.#deps.startOf({ index, cells: this.cells, listenFd });
    worker.postMessage({ type: 'start', start } satisfies ToWorker);
    this.#state = { kind: 'starting', worker, first };
    this.#servedVersion = start.version;
    const startedAt = performance.now();
    // Until the thread listens, the descriptor is ours to close.
    let adopted = false;
    return new Promise((listening, rejected) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'adopting') adopted = true;
        if (message.type === 'listening') listening();
        if (message.type === 'address-in-use') {
          rejected(new AddressInUseError('another process listens on the gateway address'));
        }
        this.#hear(worker, message);
      });
      worker.on('error', (error) => this.#deps.log(`worker ${index} failed: ${traceOf(error)}`));
      worker.on('exit', (code) => {
        if (!adopted) closeSync(listenFd);
        if (performance.now() - startedAt > STABLE_MS) this.#failures = 0;
        this.#ended();
        rejected(new Error(`worker ${index} ended with code ${code}`));
      });
    });
  }

  #hear(worker: Worker, message: FromWorker): void {
    switch (message.type) {
      case 'spool':
        return this.#deps.onSpool(message.spoolId, message.hold);
      case 'adopting':
        return;
      case 'listening':
        if (this.#state.kind === 'starting') this.#state = { kind: 'serving', worker };
        return;
      case 'address-in-use':
        void worker.terminate();
        return;
      case 'serving':
        this.#servedVersion = message.version;
        return this.#deps.onServing();
      case 'log':
        return this.#deps.log(`worker ${this.#deps.index}: ${message.line}`);
      default:
        message satisfies never;
    }
  }

  #ended(): void {
    this.cells[GAUGE.IN_FLIGHT] = 0;
    this.cells[GAUGE.LOOP_UTILISATION] = 0; // shipping would go on giving way to it
    this.#deps.onEnded();
    const isOver = this.#state.kind === 'draining' || (this.#state.kind === 'starting' && this.#state.first);
    this.#state = { kind: 'empty' };
    if (isOver) return;
    this.restarts++;
    this.#wait('died');
  }

  #wait(why: string): void {
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS);
    this.#deps.log(`worker ${this.#deps.index} ${why}; a new one starts in ${delayMs} ms`);
    this.#state = { kind: 'waiting', retry: setTimeout(() => void this.#replace(), delayMs) };
  }

  /** Starts a successor. While the descriptor is on its way we are still waiting. */
  async #replace(): Promise<void> {
    const waiting = this.#state;
    try {
      const listenFd = await this.#deps.duplicate();
      if (this.#state === waiting) await this.#launch(listenFd, false);
      else closeSync(listenFd); // stopped meanwhile
    } catch (error) {
      // A successor that ended has set its own retry; what remains is one that could not be made.
      if (this.#state === waiting) this.#wait(`did not start (${reasonOf(error)})`);
    }
  }
}
