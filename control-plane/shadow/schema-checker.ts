import { Worker } from 'node:worker_threads';
import type { JsonObject } from '#translation/chat/request.ts';
import type { WorkerAnswer, WorkerQuestion } from './schema-worker.ts';

/** Whether a text has a form. `schema`: null for any JSON. */
export interface SchemaQuestion {
  readonly schema: JsonObject | null;
  readonly text: string;
}

/** Checks answers against schemas on a thread of its own. */
export interface SchemaChecker {
  /**
   * In the order of the questions; null where it cannot be said: the schema is unusable, or something is too large or took too long.
   * One batch at a time. Never throws.
   */
  check(questions: readonly SchemaQuestion[]): Promise<WorkerAnswer[]>;
  /** Ends the thread. */
  close(): Promise<void>;
}

export interface SchemaLimits {
  /** For one question, and for a batch. */
  readonly questionMs: number;
  readonly batchMs: number;
}

/** Checking takes microseconds: what takes longer than this was made to. */
const LIMITS: SchemaLimits = { questionMs: 500, batchMs: 5_000 };
/** Of a thread that has to be started first. */
const START_MS = 10_000;
const MAX_SCHEMA_CHARS = 65_536;
const MAX_TEXT_CHARS = 1_048_576;
const RESOURCES = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 2 };

/**
 *   none ──question──▶ starting ──ready──▶ idle ◀──answer──┐
 *     ▲                                      └──question──▶ checking
 *     └──────────too slow, out of memory, closed────────────┘
 *
 * The thread never keeps the process alive while it is idle.
 */
export function createSchemaChecker(limits: SchemaLimits = LIMITS): SchemaChecker {
  let worker: Worker | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  const end = async () => {
    const ended = worker;
    worker = null;
    await ended?.terminate();
  };

  const ready = async (): Promise<Worker | null> => {
    if (worker !== null) return worker;
    const started = new Worker(new URL('./schema-worker.ts', import.meta.url), {
      ...{ name: 'schema-checker', resourceLimits: RESOURCES, stdout: false },
    });
    // Also for what breaks between two questions; while one is asked it has a listener of its own.
    started.on('error', () => undefined);
    started.on('exit', () => {
      if (worker === started) worker = null;
    });
    worker = started;
    if ((await nextMessage(started, START_MS)) === 'ready') {
      started.unref();
      return started;
    }
    await end();
    return null;
  };

  const ask = async (question: WorkerQuestion, timeoutMs: number): Promise<WorkerAnswer> => {
    const thread = await ready();
    if (thread === null) return null;
    thread.ref();
    thread.postMessage(question);
    const answer = await nextMessage(thread, timeoutMs);
    thread.unref();
    if (typeof answer === 'boolean' || answer === null) return answer;
    await end();
    return null;
  };

  const checkAll = async (questions: readonly SchemaQuestion[]): Promise<WorkerAnswer[]> => {
    const answers: WorkerAnswer[] = [];
    let leftMs = limits.batchMs;
    for (const { schema, text } of questions) {
      const written = schema === null ? null : JSON.stringify(schema);
      const tooLarge = text.length > MAX_TEXT_CHARS || (written?.length ?? 0) > MAX_SCHEMA_CHARS;
      if (tooLarge || leftMs <= 0) {
        answers.push(null);
        continue;
      }
      const before = performance.now();
      answers.push(await ask({ schema: written, text }, Math.min(limits.questionMs, leftMs)));
      leftMs -= performance.now() - before;
    }
    return answers;
  };

  return {
    check(questions) {
      const answers = turn.then(() => checkAll(questions));
      turn = answers.catch(() => undefined);
      return answers;
    },
    close: end,
  };
}

/** The next message of a thread; undefined when none comes in time, or the thread has ended. */
function nextMessage(worker: Worker, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const settle = (message: unknown) => {
      clearTimeout(timer);
      worker.off('message', settle);
      worker.off('error', fail);
      worker.off('exit', fail);
      resolve(message);
    };
    const fail = () => settle(undefined);
    const timer = setTimeout(fail, timeoutMs);
    worker.on('message', settle);
    worker.on('error', fail);
    worker.on('exit', fail);
  });
}
