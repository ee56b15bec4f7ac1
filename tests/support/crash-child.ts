// Ships a folder of spools for real and dies of SIGKILL at step `k`; with none, counts the steps. argv: root, gateway id,
// database URL, k. A step is whatever changes the store or the disk: it dies just before it, and a commit also just after
// it has been sent.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import pg from 'pg';

const [root, gatewayId, databaseUrl, killAt = '0'] = process.argv.slice(2);
if (root === undefined || gatewayId === undefined || databaseUrl === undefined) {
  throw new Error('usage: crash-child <root> <gateway id> <database url> [step]');
}
let steps = 0;
const die = () => process.kill(process.pid, 'SIGKILL');
const isReached = () => ++steps === Number(killAt);
const step = () => {
  if (isReached()) die();
};

type Call = (this: unknown, ...given: unknown[]) => unknown;

// What the claim of a folder makes for itself is no step: two claimants have tests of their own.
const CLAIM = /claim-|owner-\d+\.sock/;
const CHANGES: Readonly<Record<string, (given: readonly unknown[]) => boolean>> = {
  rm: () => true,
  rename: () => true,
  mkdir: () => true,
  open: ([, flags]) => flags !== 'r',
};
for (const [name, isChange] of Object.entries(CHANGES)) {
  const files = fs as unknown as Record<string, Call>;
  const real = files[name]!;
  files[name] = (...given) => {
    const path = String(given[0]);
    if (path.startsWith(root) && !CLAIM.test(path) && isChange(given)) step();
    return real(...given);
  };
}
syncBuiltinESMExports(); // named imports see it, too

// Half of what is appended is on the disk when it dies: a long line takes many writes.
const handle = await fs.open('/dev/null', 'r');
const methods = Object.getPrototypeOf(handle) as { appendFile(this: unknown, text: string): Promise<void> };
const append = methods.appendFile;
methods.appendFile = async function (text) {
  await append.call(this, text.slice(0, text.length >> 1));
  step();
  await append.call(this, text.slice(text.length >> 1));
};
await handle.close();

const client = pg.Client.prototype as unknown as { query: Call };
const query = client.query;
client.query = function (...given) {
  const text = textOf(given[0]);
  const isRead = /^\s*SELECT (?!provision)/i.test(text);
  if (!isRead) step();
  const answer = query.apply(this, given);
  if (text === 'COMMIT' && isReached()) setImmediate(die);
  return answer;
};

function textOf(given: unknown): string {
  if (typeof given === 'string') return given;
  const text = (given as { readonly text?: unknown }).text;
  return typeof text === 'string' ? text : 'COPY';
}

// Behind the changes above.
const { shipWhole } = await import('./ship-whole.ts');
await shipWhole(root, gatewayId, databaseUrl);
process.stdout.write(`${steps}\n`);
