import { link as linkFile, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Ownership of a folder without flock, which Node lacks: who listens on the folder's newest `owner-<generation>.sock` owns it.
 * The death of the process or of the worker thread closes the socket; a blocked thread keeps it.
 *
 *   list ──newest answers──▶ taken
 *    └──none, or nobody listens──▶ bind in a folder of one's own ──▶ link as the next generation ──▶ list again ──▶ owned
 *                  ▲                                                     │ it exists                   │ a newer one exists
 *                  └─────────────────────────────────────────────────────┴─────────────────────────────┘
 *
 * Why no two own it: sockets listen before they are linked, so a linked one that refuses is dead. The newest generation
 * is never removed, not even on release: a slow claimant that links an old number again (its owner removed it) finds the
 * newer one when it lists again. Removing a folder is by renaming it first, which makes such a link fail.
 */
export type Ownership = { readonly kind: 'owned'; release(): Promise<void> } | { readonly kind: 'taken' };

type Link = (existing: string, added: string) => Promise<void>;

const MAX_ATTEMPTS = 10;
/** sun_path holds 104 bytes on macOS, 108 on Linux; the longest name we put behind the folder takes about 30. */
const MAX_FOLDER_PATH_BYTES = 70;
const OWNER = /^owner-(\d+)\.sock$/;
const CLAIM_PREFIX = 'claim-';

/**
 * Claims a folder for this thread. The claim ends with `release()` or with the thread; it does not keep the process alive.
 * A folder that does not exist (any more) is reported as taken. `link` is the file operation; a test delays it.
 */
export async function claimOwnership(folder: string, link: Link = linkFile): Promise<Ownership> {
  const short = await shorten(resolve(folder));
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const claimed = await tryClaim(short.path, link);
      if (claimed !== 'retry') return claimed;
    }
    return { kind: 'taken' }; // others win all the time
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { kind: 'taken' };
    throw error;
  } finally {
    await short.cleanup();
  }
}

async function tryClaim(folder: string, link: Link): Promise<Ownership | 'retry'> {
  const newest = Math.max(0, ...(await listGenerations(folder)));
  if (newest > 0) {
    const answer = await ask(ownerPath(folder, newest));
    if (answer !== 'dead') return answer === 'alive' ? { kind: 'taken' } : 'retry';
  }
  const claim = await mkdtemp(join(folder, CLAIM_PREFIX));
  const path = join(claim, 's');
  const server = await listen(path);
  const generation = newest + 1;
  let owned = false;
  try {
    await link(path, ownerPath(folder, generation));
    const generations = await listGenerations(folder);
    owned = generations.every((other) => other <= generation);
    // An owner removes its predecessors; who came too late removes itself.
    const obsolete = owned ? generations.filter((other) => other < generation) : [generation];
    for (const other of obsolete) await rm(ownerPath(folder, other), { force: true });
  } catch (error) {
    owned = false;
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    if (!owned) await close(server);
    await rm(claim, { recursive: true, force: true });
  }
  return owned ? { kind: 'owned', release: () => close(server) } : 'retry';
}

async function listGenerations(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => {
    const match = OWNER.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

function ownerPath(folder: string, generation: number): string {
  return join(folder, `owner-${generation}.sock`);
}

function listen(path: string): Promise<Server> {
  return new Promise((ready, failed) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', failed);
    server.listen(path, () => {
      server.off('error', failed);
      server.on('error', () => undefined); // accept() out of descriptors: the socket still listens, which is all we need
      server.unref();
      ready(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((closed) => {
    server.close(() => closed());
  });
}

/** Asks who is behind a socket file. A full backlog and anything unclear count as alive. */
function ask(path: string): Promise<'alive' | 'dead' | 'gone'> {
  return new Promise((answer, failed) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      answer('alive');
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      if (code === 'ECONNREFUSED') answer('dead');
      else if (code === 'ENOENT') answer('gone');
      else if (code === 'EAGAIN' || code === 'ECONNRESET') answer('alive');
      else failed(error);
    });
  });
}

/** A path short enough for a socket address: long folders are reached through a symlink that lives as long as the claim is made. */
async function shorten(folder: string): Promise<{ path: string; cleanup(): Promise<void> }> {
  if (Buffer.byteLength(folder) <= MAX_FOLDER_PATH_BYTES) return { path: folder, cleanup: async () => undefined };
  const base = Buffer.byteLength(tmpdir()) <= MAX_FOLDER_PATH_BYTES - 12 ? tmpdir() : '/tmp';
  const holder = await mkdtemp(join(base, 'rs-'));
  await symlink(folder, join(holder, 'f'));
  return { path: join(holder, 'f'), cleanup: () => rm(holder, { recursive: true, force: true }) };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as { code?: unknown }).code : undefined;
}
