import { createLog, fail } from './output.ts';
import { explainStartFailure } from './start-failure.ts';

/** A started part of Ringside. */
export interface Service {
  /** The line that says that it is up. */
  readonly ready: string;
  stop(): Promise<void>;
}

/** What a supervisor and its services say to each other over IPC. */
export type FromService = { readonly type: 'ready' } | { readonly type: 'failed'; readonly line: string };
export type ToService =
  | { readonly type: 'stop' }
  /** Comes with a bound socket. */
  | { readonly type: 'socket'; readonly of: 'gateway' | 'metrics' };

/** How long an orphan may take to end: the next start waits for its ports. */
const ORPHAN_MS = 2_000;

/**
 * Runs one service until it is told to stop: by SIGTERM or SIGINT when alone, by its supervisor's word when supervised, and
 * by the supervisor's death, so that `kill -9` of the parent leaves no process behind.
 */
export async function runService(
  name: string,
  start: (log: (line: string) => void) => Promise<Service>,
): Promise<void> {
  const log = createLog(name);
  const supervised = process.send !== undefined;
  let service: Service | null = null;
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    if (!supervised) log('stopping');
    await service?.stop();
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop());
  // Ctrl-C reaches the whole process group; the supervisor decides on the order.
  process.on('SIGINT', () => {
    if (!supervised) void stop();
  });
  process.on('message', (message: ToService) => {
    if (message.type === 'stop') void stop();
  });
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), ORPHAN_MS).unref();
    void stop();
  });
  try {
    service = await start(log);
  } catch (error) {
    const line = explainStartFailure(error);
    if (!supervised) fail(line);
    if (!process.connected) process.exit(1);
    process.send!({ type: 'failed', line } satisfies FromService, () => process.exit(1));
    return;
  }
  // The supervisor may have gone meanwhile; then `disconnect` ends this process.
  if (supervised) process.send!({ type: 'ready' } satisfies FromService, () => undefined);
  else log(service.ready);
}
