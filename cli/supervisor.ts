import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromService, ToService } from './service.ts';
import { CommandError } from './start-failure.ts';

/**
 * Keeps a child process running.
 *
 *   starting ──ready──▶ running ──exit──▶ waiting ──back-off──▶ starting
 *                          └──stop──▶ stopping ──▶ stopped
 */
export interface Supervised {
  /** Rejects with the process's one line when the first start fails. */
  readonly ready: Promise<void>;
  /** Resolves when the process has ended. */
  stop(): Promise<void>;
}

const LAUNCHER = fileURLToPath(new URL('../bin/ringside.mjs', import.meta.url));
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;
/** A process that ran this long had a good start: the back-off begins anew. */
const STABLE_MS = 10_000;

/**
 * Starts `ringside <command>` as a child and restarts it when it ends.
 * @param options.argument the command's argument
 * @param options.onSpawn called with each child as it is started
 */
export function supervise(
  command: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  options: { readonly argument?: string; readonly onSpawn?: (child: ChildProcess) => void } = {},
): Supervised {
  const words = options.argument === undefined ? [command] : [command, options.argument];
  let child: ChildProcess | null = null;
  let stopping = false;
  let failures = 0;
  let retry: NodeJS.Timeout | null = null;

  const launch = (): Promise<void> =>
    new Promise((ready, failed) => {
      const startedAt = performance.now();
      const next = spawn(process.execPath, [LAUNCHER, ...words], {
        env,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      child = next;
      if (next.connected) options.onSpawn?.(next);
      let line = '';
      next.on('message', (message: FromService) => {
        // `node --watch` puts messages of its own on the channel.
        if (message.type === 'ready') ready();
        else if (message.type === 'failed') line = message.line;
      });
      next.on('error', (error) => {
        line = `${command} cannot be started: ${error.message}`;
        if (next.pid === undefined) next.emit('exit', null, null);
      });
      next.on('exit', (code, signal) => {
        child = null;
        // What the service said of itself is the whole line: a stack of ours adds nothing to it.
        failed(
          new CommandError(line === '' ? `${command} ended before it was ready (${signal ?? `code ${code}`})` : line),
        );
        if (stopping) return;
        if (performance.now() - startedAt > STABLE_MS) failures = 0;
        const delayMs = Math.min(FIRST_RETRY_MS * 2 ** failures++, LONGEST_RETRY_MS);
        if (isUp) {
          log(
            `${command} ended (${signal ?? `code ${code}`})${line === '' ? '' : `: ${line}`}; restarting in ${delayMs} ms`,
          );
          retry = setTimeout(() => void launch().catch(() => undefined), delayMs); // its exit has been logged and starts the next try
        }
      });
    });

  let isUp = false;
  return {
    ready: launch().then(() => {
      isUp = true;
    }),
    async stop() {
      stopping = true;
      if (retry !== null) clearTimeout(retry);
      const running = child;
      if (running === null) return;
      const ended = new Promise<void>((done) => running.once('exit', () => done()));
      if (running.connected) running.send({ type: 'stop' } satisfies ToService);
      await ended;
    },
  };
}
