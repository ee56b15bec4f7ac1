import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { EncryptionKey, Keyring } from '#core/envelope.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import type { ArchiveSettings } from '#inference-log/archive/storage.ts';
import { type ClickHouseAddress, parseClickHouseUrl } from '#inference-log/sinks/clickhouse/address.ts';
import { ARCHIVE_VARIABLES, parseArchiveSettings } from './archive-settings.ts';

/** All settings, from the environment, parsed once. A bad value or an unknown RINGSIDE_ variable stops the start with one line. */
export interface Listen {
  readonly host: string;
  readonly port: number;
  /** The variable to name when the address is taken. */
  readonly variable: string;
}

export interface Settings {
  readonly gateway: Listen;
  readonly control: Listen;
  /** Where the control plane reaches the gateway; that of this machine, if it is not set. */
  readonly gatewayUrl: string;
  readonly metrics: Listen;
  readonly simulator: Listen;
  readonly dataFolder: string;
  readonly databaseUrl: string | undefined;
  readonly clickhouse: ClickHouseAddress | undefined;
  readonly clickhouseRetentionDays: number | undefined;
  readonly keyring: Keyring | undefined;
  readonly pepper: Uint8Array | undefined;
  /** Undefined: not set, so nothing private is allowed (or loopback, under `ringside up`). */
  readonly privateUpstreams: string | undefined;
  readonly workers: number;
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
  readonly maxHeldBodyBytes: number;
  readonly maxSpoolBytes: number;
  readonly feedbackPerMinute: number;
  readonly shipAfterMs: number;
  readonly drainMs: number;
  readonly timeouts: { readonly connectMs: number; readonly firstByteMs: number; readonly idleMs: number };
  readonly servedWaitMs: number;
  readonly experimentUnitDays: number;
  /** Undefined: not set. */
  readonly archive: ArchiveSettings | undefined;
  readonly simulatorSeed: number;
  readonly simulatorModels: Readonly<Record<string, unknown>>;
  /** For commands that call the control API: its token and, where it is not the one of this machine, its URL. */
  readonly adminToken: string | undefined;
  readonly controlUrl: string | undefined;
}

export class SettingsError extends Error {
  override name = 'SettingsError';
}

const MEGABYTE = 1_048_576;
const positive = (fallback: number, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(1).max(max).default(fallback);

const schema = z.object({
  RINGSIDE_GATEWAY_LISTEN: z.string().default('127.0.0.1:8080'),
  RINGSIDE_CONTROL_LISTEN: z.string().default('127.0.0.1:8081'),
  RINGSIDE_METRICS_LISTEN: z.string().default('127.0.0.1:9464'),
  RINGSIDE_SIMULATOR_LISTEN: z.string().default('127.0.0.1:8082'),
  RINGSIDE_DATA_DIR: z.string().min(1).default('.ringside'),
  RINGSIDE_CLICKHOUSE_URL: z.string().optional(),
  RINGSIDE_CLICKHOUSE_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_500).optional(),
  RINGSIDE_WORKERS: positive(availableParallelism(), 256),
  RINGSIDE_ENCRYPTION_KEYS: z.string().optional(),
  RINGSIDE_KEY_PEPPER: z.string().optional(),
  RINGSIDE_PRIVATE_UPSTREAMS: z.string().optional(),
  RINGSIDE_MAX_CONNECTIONS: positive(20_000),
  RINGSIDE_MAX_BODY_BYTES: positive(32 * MEGABYTE, 1024 * MEGABYTE),
  RINGSIDE_MAX_HELD_BODY_BYTES: positive(512 * MEGABYTE),
  RINGSIDE_MAX_SPOOL_BYTES: positive(10 * 1024 * MEGABYTE),
  // One call holds up to a thousand.
  RINGSIDE_FEEDBACK_PER_MINUTE: z.coerce.number().int().min(1_000).max(1_000_000_000).default(60_000),
  RINGSIDE_SHIP_AFTER_MS: z.coerce.number().int().min(10).max(60_000).default(250),
  RINGSIDE_DRAIN_MS: z.coerce.number().int().min(0).max(3_600_000).default(30_000),
  RINGSIDE_UPSTREAM_CONNECT_TIMEOUT_MS: positive(5_000, 600_000),
  RINGSIDE_UPSTREAM_FIRST_BYTE_TIMEOUT_MS: positive(120_000, 3_600_000),
  RINGSIDE_UPSTREAM_IDLE_TIMEOUT_MS: positive(60_000, 3_600_000),
  RINGSIDE_SERVED_WAIT_MS: z.coerce.number().int().min(0).max(30_000).default(1_000),
  RINGSIDE_EXPERIMENT_UNIT_DAYS: positive(30, 36_500),
  ...ARCHIVE_VARIABLES,
  RINGSIDE_SIMULATOR_SEED: z.coerce.number().int().default(1),
  RINGSIDE_SIMULATOR_MODELS: z.string().default('{}'),
  RINGSIDE_ADMIN_TOKEN: z.string().optional(),
  RINGSIDE_CONTROL_URL: z.url({ protocol: /^https?$/ }).optional(),
  RINGSIDE_GATEWAY_URL: z.url({ protocol: /^https?$/ }).optional(),
});

/** Kubernetes puts these beside a Service whose name begins with "ringside". */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$/;

export function parseSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const known = Object.keys(schema.shape);
  for (const name of Object.keys(env)) {
    if (name.startsWith('RINGSIDE_') && !known.includes(name) && !SERVICE_LINK.test(name)) {
      throw new SettingsError(`unknown variable ${name}; known are ${known.join(', ')}`);
    }
  }
  // An empty variable is one that is not set: that is how compose files leave things out.
  const given = Object.fromEntries(
    known.flatMap((name) => (env[name] === undefined || env[name] === '' ? [] : [[name, env[name]]])),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SettingsError(`${issue!.path.join('.')}: ${issue!.message}`);
  }
  const values = parsed.data;
  const gateway = parseListen(values.RINGSIDE_GATEWAY_LISTEN, 'RINGSIDE_GATEWAY_LISTEN');
  return {
    gateway,
    gatewayUrl: (values.RINGSIDE_GATEWAY_URL ?? urlOf(gateway)).replace(/\/+$/, ''),
    control: parseListen(values.RINGSIDE_CONTROL_LISTEN, 'RINGSIDE_CONTROL_LISTEN'),
    metrics: parseListen(values.RINGSIDE_METRICS_LISTEN, 'RINGSIDE_METRICS_LISTEN'),
    simulator: parseListen(values.RINGSIDE_SIMULATOR_LISTEN, 'RINGSIDE_SIMULATOR_LISTEN'),
    dataFolder: resolve(values.RINGSIDE_DATA_DIR),
    databaseUrl: parseDatabaseUrl(env['DATABASE_URL']),
    clickhouse: parseClickHouse(values.RINGSIDE_CLICKHOUSE_URL),
    clickhouseRetentionDays: values.RINGSIDE_CLICKHOUSE_RETENTION_DAYS,
    keyring: values.RINGSIDE_ENCRYPTION_KEYS === undefined ? undefined : parseKeyring(values.RINGSIDE_ENCRYPTION_KEYS),
    pepper: values.RINGSIDE_KEY_PEPPER === undefined ? undefined : parsePepper(values.RINGSIDE_KEY_PEPPER),
    privateUpstreams: checkPolicy(values.RINGSIDE_PRIVATE_UPSTREAMS),
    workers: values.RINGSIDE_WORKERS,
    maxConnections: values.RINGSIDE_MAX_CONNECTIONS,
    maxBodyBytes: values.RINGSIDE_MAX_BODY_BYTES,
    maxHeldBodyBytes: values.RINGSIDE_MAX_HELD_BODY_BYTES,
    maxSpoolBytes: values.RINGSIDE_MAX_SPOOL_BYTES,
    feedbackPerMinute: values.RINGSIDE_FEEDBACK_PER_MINUTE,
    shipAfterMs: values.RINGSIDE_SHIP_AFTER_MS,
    drainMs: values.RINGSIDE_DRAIN_MS,
    timeouts: {
      connectMs: values.RINGSIDE_UPSTREAM_CONNECT_TIMEOUT_MS,
      firstByteMs: values.RINGSIDE_UPSTREAM_FIRST_BYTE_TIMEOUT_MS,
      idleMs: values.RINGSIDE_UPSTREAM_IDLE_TIMEOUT_MS,
    },
    servedWaitMs: values.RINGSIDE_SERVED_WAIT_MS,
    experimentUnitDays: values.RINGSIDE_EXPERIMENT_UNIT_DAYS,
    archive: checked(() => parseArchiveSettings(values)),
    simulatorSeed: values.RINGSIDE_SIMULATOR_SEED,
    simulatorModels: parseModels(values.RINGSIDE_SIMULATOR_MODELS),
    adminToken: values.RINGSIDE_ADMIN_TOKEN,
    controlUrl: values.RINGSIDE_CONTROL_URL,
  };
}

function parseListen(text: string, variable: string): Listen {
  const match = /^(?:(\[[^\]]+\]|[^:]*):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new SettingsError(`${variable}: "${text}" is neither host:port nor a port`);
  }
  const host = (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, '');
  return { host: host === '' || host === '*' ? '0.0.0.0' : host === 'localhost' ? '127.0.0.1' : host, port, variable };
}

/** An address that is listened on, as one that can be called. */
function urlOf({ host, port }: Listen): string {
  const called = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${called.includes(':') ? `[${called}]` : called}:${port}`;
}

function parseDatabaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw new SettingsError('DATABASE_URL: must be a URL that begins with postgresql://');
  }
  return text;
}

function parseClickHouse(text: string | undefined): ClickHouseAddress | undefined {
  if (text === undefined) return undefined;
  const parsed = parseClickHouseUrl(text);
  if (parsed.kind === 'bad') {
    throw new SettingsError(
      `RINGSIDE_CLICKHOUSE_URL: ${parsed.reason}; it looks like https://user:password@host:8443/database`,
    );
  }
  return parsed.address;
}

const KEYS_HINT = 'make one with: echo "k1:$(openssl rand -base64 32)"';

function parseKeyring(text: string): Keyring {
  const keys = text.split(',').map((entry): EncryptionKey => {
    const [id, encoded] = entry.trim().split(':');
    const key = Buffer.from(encoded ?? '', 'base64');
    if (id === undefined || !/^[A-Za-z0-9_-]+$/.test(id) || key.length !== 32) {
      throw new SettingsError(`RINGSIDE_ENCRYPTION_KEYS: each entry is <id>:<32 bytes in base64>; ${KEYS_HINT}`);
    }
    return { id, key };
  });
  return keys as unknown as Keyring;
}

function parsePepper(text: string): Uint8Array {
  const pepper = Buffer.from(text, 'base64');
  if (pepper.length < 16) {
    throw new SettingsError('RINGSIDE_KEY_PEPPER: at least 16 bytes in base64; make one with: openssl rand -base64 32');
  }
  return pepper;
}

function checkPolicy(list: string | undefined): string | undefined {
  try {
    if (list !== undefined) parseAddressPolicy(list);
    return list;
  } catch (error) {
    throw new SettingsError(`RINGSIDE_PRIVATE_UPSTREAMS: ${(error as Error).message}`);
  }
}

function checked<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

function parseModels(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new SettingsError('RINGSIDE_SIMULATOR_MODELS: must be a JSON object of behaviours by model name');
  }
}

/** What `gateway` and `control-plane` cannot run without; only `ringside up` has them made. */
export function requireStandalone(settings: Settings): { databaseUrl: string; keyring: Keyring; pepper: Uint8Array } {
  const { databaseUrl, keyring, pepper } = settings;
  if (databaseUrl === undefined) {
    throw new SettingsError('DATABASE_URL is not set; only `ringside up` brings its own PostgreSQL');
  }
  if (keyring === undefined) {
    throw new SettingsError(
      `RINGSIDE_ENCRYPTION_KEYS is not set; ${KEYS_HINT}, and keep it safe: provider credentials open with nothing else`,
    );
  }
  if (pepper === undefined) {
    throw new SettingsError(
      'RINGSIDE_KEY_PEPPER is not set; make one with: openssl rand -base64 32, and keep it safe: API keys are checked with nothing else',
    );
  }
  return { databaseUrl, keyring, pepper };
}
