// `npm run test:faults [-- --full] [files]`: the fault tests, in their usual length or at the whole one.
// Without files it fails when a fault of the table was not counted, unless its test was skipped.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const given = process.argv.slice(2);
const files = given.filter((argument) => argument !== '--full');
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const filters = files.length === 0 ? ['tests/faults/'] : files;
const child = spawn(process.execPath, [vitest, 'run', '--project', 'real', ...filters], {
  stdio: 'inherit',
  env: {
    ...process.env,
    FAULTS_FULL: given.includes('--full') ? '1' : '0',
    FAULTS_WHOLE: files.length === 0 ? '1' : '0',
  },
});
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
