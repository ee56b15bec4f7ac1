import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';
import { freePorts } from './ports.ts';
import { childrenOf, isGone } from './processes.ts';
import { waitFor } from './wait.ts';

/** A PostgreSQL of one test file, to be stopped, frozen and killed while the others' goes on. */
export interface OwnPostgres {
  /** A migrated database. */
  readonly databaseUrl: string;
  /** SIGSTOP to the server and its backends: connections stay, nothing answers. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL to all of its processes; resolves when they are gone. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  restart(): Promise<void>;
  /** Ends it and removes its data, whatever state it is in. */
  remove(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'ringside-own-pg-'));
  const [port] = await freePorts(1);
  const options = { folder, port: port!, password: 'test', settings: ['fsync=off', 'full_page_writes=off'] };
  let server = await startEmbeddedPostgres(options);
  const { databaseUrl } = server;
  await ensureDatabase(databaseUrl);
  await migrate(databaseUrl);
  let frozen: number[] = [];
  const postmaster = async () => Number((await readFile(join(folder, 'data/postmaster.pid'), 'utf8')).split('\n')[0]);
  const thaw = () => {
    for (const pid of frozen.splice(0).reverse()) process.kill(pid, 'SIGCONT');
  };
  /** The server first, so that it starts no more of them. */
  const signalAll = async (signal: NodeJS.Signals) => {
    const main = await postmaster();
    process.kill(main, signal);
    const backends = await childrenOf(main);
    for (const pid of backends) process.kill(pid, signal);
    return [main, ...backends];
  };
  return {
    databaseUrl,
    async freeze() {
      frozen = await signalAll('SIGSTOP');
    },
    thaw,
    async kill() {
      // Frozen, so that none of them ends or is born between the list and the kill.
      const pids = await signalAll('SIGSTOP');
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await server.ended;
      await waitFor('the backends to be gone', async () => (await Promise.all(pids.map(isGone))).every(Boolean));
    },
    async restart() {
      server = await startEmbeddedPostgres(options);
    },
    async remove() {
      thaw();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
