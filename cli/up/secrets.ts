import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** What the embedded installation needs and nobody should have to make by hand. Never made beside a DATABASE_URL. */
const schema = z.object({ encryptionKeys: z.string(), keyPepper: z.string(), postgresPassword: z.string() });
export type LocalSecrets = z.infer<typeof schema>;

const FILE = 'secrets.json';

/** Reads `secrets.json`; undefined when there is none. */
export async function findLocalSecrets(dataFolder: string): Promise<LocalSecrets | undefined> {
  const text = await readIfThere(join(dataFolder, FILE));
  return text === undefined ? undefined : schema.parse(JSON.parse(text));
}

/** Reads `secrets.json`, or makes it. */
export async function loadLocalSecrets(dataFolder: string): Promise<LocalSecrets> {
  const path = join(dataFolder, FILE);
  const existing = await findLocalSecrets(dataFolder);
  if (existing !== undefined) return existing;
  const secrets: LocalSecrets = {
    encryptionKeys: `k1:${randomBytes(32).toString('base64')}`,
    keyPepper: randomBytes(32).toString('base64'),
    postgresPassword: randomBytes(18).toString('base64url'),
  };
  await writePrivate(path, secrets);
  return secrets;
}

/** Writes JSON that only the owner can read, all of it or nothing. */
export async function writePrivate(path: string, value: unknown): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** A file's text; undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}
