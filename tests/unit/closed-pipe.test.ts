import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');

test('a command whose reader has gone ends without a word', async () => {
  const child = spawn(process.execPath, [LAUNCHER, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const ended = new Promise((resolve) => child.once('close', resolve));
  expect(await text(child.stderr)).toBe('');
  expect(await ended).toBe(0);
});
