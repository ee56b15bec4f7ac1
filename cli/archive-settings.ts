import { resolve } from 'node:path';
import { z } from 'zod';
import type { ArchiveSettings } from '#inference-log/archive/storage.ts';

/** The variables of archives, for the schema of all settings. */
export const ARCHIVE_VARIABLES = {
  RINGSIDE_ARCHIVE_DIR: z.string().min(1).optional(),
  RINGSIDE_ARCHIVE_URL: z.string().optional(),
  RINGSIDE_ARCHIVE_ENDPOINT: z.string().optional(),
  RINGSIDE_ARCHIVE_REGION: z.string().min(1).default('us-east-1'),
  RINGSIDE_ARCHIVE_ACCESS_KEY_ID: z.string().optional(),
  RINGSIDE_ARCHIVE_SECRET_ACCESS_KEY: z.string().optional(),
} as const;

type ArchiveValues = z.output<z.ZodObject<typeof ARCHIVE_VARIABLES>>;

/** Where archives go; undefined when nothing is set. @throws with the variable's name in the message */
export function parseArchiveSettings(values: ArchiveValues): ArchiveSettings | undefined {
  const folder = values.RINGSIDE_ARCHIVE_DIR;
  const url = values.RINGSIDE_ARCHIVE_URL;
  if (url === undefined) return folder === undefined ? undefined : { kind: 'disk', folder: resolve(folder) };
  if (folder !== undefined)
    throw new Error('RINGSIDE_ARCHIVE_DIR and RINGSIDE_ARCHIVE_URL are both set; archives go to one place');
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url);
  if (match === null) throw new Error('RINGSIDE_ARCHIVE_URL: must be s3://bucket or s3://bucket/prefix');
  const accessKeyId = values.RINGSIDE_ARCHIVE_ACCESS_KEY_ID;
  const secretAccessKey = values.RINGSIDE_ARCHIVE_SECRET_ACCESS_KEY;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Error('RINGSIDE_ARCHIVE_URL needs RINGSIDE_ARCHIVE_ACCESS_KEY_ID and RINGSIDE_ARCHIVE_SECRET_ACCESS_KEY');
  }
  const region = values.RINGSIDE_ARCHIVE_REGION;
  const endpoint = values.RINGSIDE_ARCHIVE_ENDPOINT ?? `https://s3.${region}.amazonaws.com`;
  if (!/^https?:\/\/[^/?#@]+\/?$/.test(endpoint)) {
    throw new Error('RINGSIDE_ARCHIVE_ENDPOINT: must be https://host or https://host:port');
  }
  const prefix = (match[2] ?? '')
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  return {
    ...{ kind: 's3', bucket: match[1]!, prefix, region, endpoint: endpoint.replace(/\/$/, '') },
    ...{ accessKeyId, secretAccessKey },
  };
}
