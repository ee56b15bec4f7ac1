import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');

/** Takes this process for an old one, and from Node's modules what old ones lack. */
const OLD_NODE = `import { registerHooks } from 'node:module';
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });
registerHooks({
  resolve: (name, context, next) =>
    name === 'node:module' ? { url: 'data:text/javascript,export const isBuiltin = 1', shortCircuit: true } : next(name, context),
});`;

test('on an old Node, without the pinned one, the launcher says in a line which it needs and how to get it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rs-launcher-'));
  try {
    await cp(LAUNCHER, join(folder, 'bin/ringside.mjs'));
    const args = [
      '--import',
      `data:text/javascript,${encodeURIComponent(OLD_NODE)}`,
      join(folder, 'bin/ringside.mjs'),
      'up',
    ];
    const ended = await new Promise((done) => {
      execFile(process.execPath, args, (error, stdout, stderr) => done({ code: error?.code, stdout, stderr }));
    });
    expect(ended).toEqual({
      ...{ code: 1, stdout: '' },
      stderr:
        'ringside: Node 20.20.2 is too old, 24.12 or newer is needed. Run `npm ci` to install the pinned one, or update Node.\n',
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
