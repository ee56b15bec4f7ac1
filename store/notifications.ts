import pg from 'pg';
import { connectionConfig, type DatabaseRole } from './pool.ts';

/** Channels that say "look again"; what changed is always read from the tables. */
export const CHANNELS = { config: 'ringside_config', keys: 'ringside_keys', gateways: 'ringside_gateways' } as const;
export type Channel = keyof typeof CHANNELS;

export interface ListenOptions {
  readonly databaseUrl: string;
  readonly role: DatabaseRole;
  readonly channels: readonly Channel[];
  readonly onNudge: (channel: Channel) => void;
  /** Called after each (re)connection: nudges may have been missed before it. */
  readonly onConnected: () => void;
  readonly retryMs: number;
}

/** Listens on a connection of its own and reconnects for ever. Returns the function that ends it. */
export function listen(options: ListenOptions): () => Promise<void> {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const retry = () => {
    if (stopped || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void connect();
    }, options.retryMs);
    timer.unref();
  };

  const connect = async () => {
    const next = new pg.Client({
      ...connectionConfig({
        databaseUrl: options.databaseUrl,
        role: options.role,
        applicationName: 'ringside listen',
        queryTimeoutMs: 5_000,
      }),
    });
    client = next;
    let gone = false;
    const lost = () => {
      if (gone) return;
      gone = true;
      void next.end().catch(() => undefined); // already broken; ending it only frees the socket
      retry();
    };
    next.on('error', lost);
    next.on('end', lost);
    next.on('notification', ({ channel }) => {
      const found = options.channels.find((name) => CHANNELS[name] === channel);
      if (found !== undefined) options.onNudge(found);
    });
    try {
      await next.connect();
      for (const channel of options.channels) await next.query(`LISTEN ${CHANNELS[channel]}`);
      if (!stopped) options.onConnected();
    } catch {
      lost(); // the poll reports outages; listening is only a nudge
    }
  };

  void connect();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    client?.removeAllListeners('end');
    await client?.end().catch(() => undefined);
  };
}
