import { unixMsOfId } from '#core/ids.ts';
import type { CapturedInference, CapturedInferences, CapturedRow, SoughtCaptures } from '#store/captured-inferences.ts';
import type { PayloadRow } from '#store/inferences.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { ClickHouseAddress } from './address.ts';
import { type ClickHouseClient, createClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS } from './columns.ts';
import { ClickHouseError, ClickHouseUnreachableError } from './errors.ts';
import { unavailable } from './unavailable.ts';

export interface CapturedInClickHouse extends CapturedInferences {
  close(): void;
}

export interface CapturedInClickHouseOptions {
  /** Of the bodies in one answer (8 MiB), which as text are a third more. */
  readonly maxBodiesBytes?: number;
  /** Longer ones count as not kept (2 MiB): twice what a group may have captured of a side. */
  readonly maxBodyBytes?: number;
}

type Parameters = Readonly<Record<string, string>>;

/** For one query, and a little less for ClickHouse, which then says what it was at. */
const TIMEOUT_MS = 10_000;
/** They travel in the address, of which some proxies take 8 KB. */
const IDS_AT_ONCE = 50;
const BOUNDS = 'max_execution_time = 8, max_memory_usage = 1073741824, max_threads = 2';
/** 64-bit integers come as text, so that none is rounded unseen. */
const ANSWER = `SETTINGS ${BOUNDS}, output_format_json_quote_64bit_integers = 1 FORMAT JSONEachRow`;
/** All columns of the key, so that few granules are read; the times rule out partitions. A row that lies there twice is one. */
const SOUGHT = `organization_id = {organization:UUID} AND group_id = {group:UUID}
  AND created_at IN {times:Array(DateTime64(3, 'UTC'))} AND id IN {ids:Array(UUID)} LIMIT 1 BY id`;

const ROWS = `SELECT id, group_id, toUnixTimestamp64Milli(created_at) AS created_ms, operation, dialect, assigned_variant, outcome,
    error_code, key_id, attempts, input_tokens, output_tokens, cost_micro_usd, capture_facts, request_bytes, response_bytes
  FROM ${INFERENCES.name} WHERE ${SOUGHT} ${ANSWER}`;
const SIZES = `SELECT id, length(request) AS request_length, length(response) AS response_length
  FROM ${PAYLOADS.name} WHERE ${SOUGHT} ${ANSWER}`;
/** Bodies are bytes, which JSON has not. */
const BODIES = `SELECT id, ${['request', 'response'].map(
  (side) => `if(length(${side}) <= {longest:UInt64}, base64Encode(${side}), NULL) AS ${side}_base64,
    hex(${side}_sha256) AS ${side}_sha256_hex`,
)}, response_type
  FROM ${PAYLOADS.name} WHERE ${SOUGHT} ${ANSWER}`;

/**
 * Reads rows and bodies in ClickHouse. Each query is bounded: by ids, by time and memory there, and by what its answer holds, for which
 * the lengths of bodies are asked first.
 */
export function createCapturedInClickHouse(
  address: ClickHouseAddress,
  options: CapturedInClickHouseOptions = {},
): CapturedInClickHouse {
  const { maxBodiesBytes = 8 * 1_048_576, maxBodyBytes = 2 * 1_048_576 } = options;
  const client = createClickHouseClient({ address, timeoutMs: TIMEOUT_MS });

  const bodiesOf = async (sought: SoughtCaptures, sizes: readonly SizesLine[]): Promise<Map<string, PayloadRow>> => {
    const payloads = new Map<string, PayloadRow>();
    for (const ids of partsOf(sizes, maxBodiesBytes, maxBodyBytes)) {
      const parameters = { ...parametersOf({ ...sought, ids }), longest: String(maxBodyBytes) };
      for (const line of await linesOf<BodiesLine>(client, BODIES, parameters)) {
        payloads.set(line.id, payloadOf(line));
      }
    }
    return payloads;
  };

  const findSome = async (sought: SoughtCaptures): Promise<[string, CapturedInference][]> => {
    const parameters = parametersOf(sought);
    const [rows, sizes] = await Promise.all([
      linesOf<RowLine>(client, ROWS, parameters),
      linesOf<SizesLine>(client, SIZES, parameters),
    ]);
    const payloads = await bodiesOf(sought, sizes);
    return rows.map((line) => [line.id, { row: rowOf(line), payload: payloads.get(line.id) }]);
  };

  return {
    async find(_, sought) {
      const ids = [...new Set(sought.ids)];
      const found = new Map<string, CapturedInference>();
      try {
        for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
          const some = { ...sought, ids: ids.slice(at, at + IDS_AT_ONCE) };
          for (const [id, captured] of await findSome(some)) found.set(id, captured);
        }
      } catch (error) {
        throw unavailableOf(error);
      }
      return found;
    },
    close: () => client.close(),
  };
}

function unavailableOf(error: unknown): unknown {
  if (error instanceof SyntaxError || error instanceof RangeError) {
    const why = 'gave an answer that cannot be read';
    return new LogUnavailableError(`ClickHouse ${why}: ${error.message}`, { why, isRefusal: true, cause: error });
  }
  return error instanceof ClickHouseError || error instanceof ClickHouseUnreachableError ? unavailable(error) : error;
}

function parametersOf({ organizationId, groupId, ids }: SoughtCaptures): Parameters {
  const list = (texts: readonly string[]) => `[${texts.map((text) => `'${text}'`).join(',')}]`;
  const times = [...new Set(ids.map(unixMsOfId))].map((unixMs) => new Date(unixMs).toISOString());
  return {
    ...{ organization: organizationId, group: groupId, ids: list(ids) },
    times: list(times.map((time) => time.replace('T', ' ').replace('Z', ''))),
  };
}

async function linesOf<Line>(client: ClickHouseClient, statement: string, parameters: Parameters): Promise<Line[]> {
  const text = await client.query(statement, { parameters });
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}

interface SizesLine {
  readonly id: string;
  readonly request_length: string | null;
  readonly response_length: string | null;
}

/** Ids whose bodies fit into one answer; one that does not fit even alone is read alone. */
function partsOf(sizes: readonly SizesLine[], maxBodiesBytes: number, maxBodyBytes: number): string[][] {
  const parts: string[][] = [];
  let left = 0;
  for (const { id, request_length: request, response_length: response } of sizes) {
    const lengths = [request, response].map((length) => Number(length ?? 0));
    const bytes = lengths.reduce((sum, length) => sum + (length <= maxBodyBytes ? length : 0), 0);
    if (bytes > left || parts.length === 0) {
      parts.push([]);
      left = maxBodiesBytes;
    }
    parts.at(-1)!.push(id);
    left -= bytes;
  }
  return parts;
}

interface BodiesLine {
  readonly id: string;
  readonly request_base64: string | null;
  readonly request_sha256_hex: string | null;
  readonly response_base64: string | null;
  readonly response_sha256_hex: string | null;
  readonly response_type: string | null;
}

function payloadOf(line: BodiesLine): PayloadRow {
  const bytes = (text: string | null, encoding: 'base64' | 'hex') =>
    text === null ? null : Buffer.from(text, encoding);
  return {
    id: line.id,
    request: bytes(line.request_base64, 'base64'),
    request_sha256: bytes(line.request_sha256_hex, 'hex'),
    response: bytes(line.response_base64, 'base64'),
    response_sha256: bytes(line.response_sha256_hex, 'hex'),
    response_type: line.response_type,
  };
}

type RowLine = Omit<
  CapturedRow,
  'created_at' | 'attempts' | 'cost_micro_usd' | 'request_bytes' | 'response_bytes' | 'error_code'
> & {
  readonly created_ms: string;
  readonly error_code: string | null;
  /** JSON. */
  readonly attempts: string;
  readonly cost_micro_usd: string | null;
  readonly request_bytes: string;
  readonly response_bytes: string;
};

function rowOf({ created_ms: createdMs, ...line }: RowLine): CapturedRow {
  return {
    ...line,
    created_at: new Date(Number(createdMs)),
    attempts: JSON.parse(line.attempts) as CapturedRow['attempts'],
    cost_micro_usd: line.cost_micro_usd === null ? null : integerOf(line.cost_micro_usd),
    request_bytes: integerOf(line.request_bytes),
    response_bytes: integerOf(line.response_bytes),
  };
}

/** As PostgreSQL's are read: one past 2^53 is a defect and not to be rounded silently. */
function integerOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the integer ${text} of ClickHouse does not fit a number`);
  return value;
}
