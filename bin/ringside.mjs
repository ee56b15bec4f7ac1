#!/usr/bin/env node
// Plain JavaScript on purpose: it must run, and explain itself, on a Node that cannot run TypeScript. That is every Node from 14.13 on, so
// nothing here may be newer: no `??=`, no await at the top, and of Node's modules no name that is not there (an import of a name that a
// module lacks is a SyntaxError, before any line of this has run).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const MINIMUM = [24, 12];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) {
  // Threads take it from the environment; without it each would strip and compile all of its files again.
  const { directory } = nodeModule.enableCompileCache();
  if (directory !== undefined && process.env.NODE_COMPILE_CACHE === undefined) {
    process.env.NODE_COMPILE_CACHE = directory;
  }
  import('../cli/main.ts');
} else {
  const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (existsSync(pinned)) {
    const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      process.stderr.write(`ringside: ${pinned} cannot be started: ${error.message}. Run \`npm ci\` again.\n`);
      process.exit(1);
    });
    child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
  } else {
    process.stderr.write(
      `ringside: Node ${process.versions.node} is too old, ${MINIMUM.join('.')} or newer is needed. Run \`npm ci\` to install the pinned one, or update Node.\n`,
    );
    process.exit(1);
  }
}
