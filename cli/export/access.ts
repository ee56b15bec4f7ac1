import { join } from 'node:path';
import { z } from 'zod';
import { type Settings, SettingsError } from '../settings.ts';
import { readIfThere } from '../up/secrets.ts';

/** Where the control API is, and what opens it. */
export interface ControlAccess {
  readonly url: string;
  readonly token: string;
}

const credentialsSchema = z.object({ adminToken: z.string(), controlUrl: z.string() });

/** The settings' own, else those that the first start wrote down. @throws SettingsError */
export async function findControlAccess(settings: Settings): Promise<ControlAccess> {
  const path = join(settings.dataFolder, 'credentials.json');
  const stored = await readIfThere(path);
  const credentials = stored === undefined ? undefined : credentialsSchema.parse(JSON.parse(stored));
  const token = settings.adminToken ?? credentials?.adminToken;
  if (token === undefined) {
    throw new SettingsError(`RINGSIDE_ADMIN_TOKEN is not set, and there is no ${path}`);
  }
  const { host, port } = settings.control;
  const url = settings.controlUrl ?? credentials?.controlUrl ?? `http://${host}:${port}`;
  return { url: url.replace(/\/+$/, ''), token };
}
