import { unixMsOfId } from '#core/ids.ts';
import {
  CAPTURED_COLUMNS,
  type CapturedInference,
  type CapturedInferences,
  type CapturedRow,
  type SoughtCaptures,
  type WholeInferences,
} from '#store/captured-inferences.ts';
import type { InferenceRow, PayloadRow } from '#store/inferences.ts';
import { LogTooMuchError } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS, type WireColumn, type WireTable } from './columns.ts';
import { createAsking, readAnswer } from './rows/asking.ts';
import { type Fragment, int, join, moments, name, sql, uuid, uuids } from './statement.ts';
import { type StoredLine, storedColumns, storedRow } from './stored-rows.ts';

export interface CapturedInClickHouse extends CapturedInferences, WholeInferences {
  close(): void;
}

export interface CapturedInClickHouseOptions {
  /** Of the bodies in one answer (8 MiB), which as text are a third more. */
  readonly maxBodiesBytes?: number;
  /** Longer ones count as not kept (2 MiB): twice what a group may have captured of a side. */
  readonly maxBodyBytes?: number;
}

/** For one query, whose answer is waited for a little longer. */
const LIMIT_MS = 8_000;
/** They travel in the address, of which some proxies take 8 KB. */
const IDS_AT_ONCE = 50;
const COLUMNS = INFERENCES.columns.filter(({ name }) => (CAPTURED_COLUMNS as readonly string[]).includes(name));
/** The names of sides, as columns have them. */
const SIDES = ['request', 'response'] as const;

/**
 * Reads rows and bodies in ClickHouse. Each query is bounded: by ids, by time and memory there (rows/asking.ts), and by what its answer
 * holds, for which the lengths of bodies are asked first.
 */
export function createCapturedInClickHouse(
  address: ClickHouseAddress,
  options: CapturedInClickHouseOptions = {},
): CapturedInClickHouse {
  const { maxBodiesBytes = 8 * 1_048_576, maxBodyBytes = 2 * 1_048_576 } = options;
  // Its own connections: others' questions may take minutes, and who waits for a free one has not been answered in time.
  const client = createClickHouseClient({ address });
  const asking = createAsking(client);
  const ask = <Line extends object>(columns: Fragment, table: WireTable, sought: SoughtInClickHouse) =>
    asking.lines<Line>(sql`SELECT ${columns} FROM ${name(table.name)} WHERE ${conditionOf(sought)}`, LIMIT_MS);

  const payloadsOf = async (sought: SoughtInClickHouse): Promise<Map<string, PayloadRow>> => {
    const lengths = SIDES.map((side) => sql`length(${name(side)}) AS ${name(`${side}_length`)}`);
    const sizes = await ask<SizesLine>(sql`id, ${join(lengths)}`, PAYLOADS, sought);
    const payloads = new Map<string, PayloadRow>();
    for (const ids of partsOf(sizes, maxBodiesBytes, maxBodyBytes)) {
      for (const line of await ask<BodiesLine>(bodiesWithin(maxBodyBytes), PAYLOADS, { ...sought, ids })) {
        payloads.set(line.id, payloadOf(line));
      }
    }
    return payloads;
  };

  const findRows = async <Row extends { readonly id: string }>(
    columns: readonly WireColumn[],
    sought: SoughtInClickHouse,
  ) => {
    const [lines, payloads] = await Promise.all([
      ask<StoredLine>(storedColumns(columns), INFERENCES, sought),
      payloadsOf(sought),
    ]);
    const rows = readAnswer(() => lines.map((line) => storedRow<Row>(columns, line)));
    return rows.map((row) => ({ row, payload: payloads.get(row.id) }));
  };

  return {
    async find(_, { groupId, ...sought }) {
      const ids = [...new Set(sought.ids)];
      const found = new Map<string, CapturedInference>();
      for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
        const some = { ...sought, groupIds: [groupId], ids: ids.slice(at, at + IDS_AT_ONCE) };
        for (const one of await asRefusal(findRows<CapturedRow>(COLUMNS, some))) found.set(one.row.id, one);
      }
      return found;
    },
    async findWhole({ organizationId, groupIds, id }) {
      if (groupIds.length === 0) return undefined;
      const [found] = await asRefusal(
        findRows<Omit<InferenceRow, 'cache'>>(INFERENCES.columns, { organizationId, groupIds, ids: [id] }),
      );
      return found === undefined ? undefined : { ...found, row: { ...found.row, cache: null } };
    },
    close: () => client.close(),
  };
}

interface SoughtInClickHouse extends Pick<SoughtCaptures, 'organizationId' | 'ids'> {
  readonly groupIds: readonly string[];
}

/** All columns of the key, so that few granules are read; the times rule out partitions. A row that lies there twice is one. */
function conditionOf({ organizationId, groupIds, ids }: SoughtInClickHouse): Fragment {
  const times = [...new Set(ids.map(unixMsOfId))].map((unixMs) => new Date(unixMs));
  return sql`organization_id = ${uuid(organizationId)} AND group_id IN ${uuids(groupIds)}
    AND created_at IN ${moments(times)} AND id IN ${uuids(ids)} LIMIT 1 BY id`;
}

/** Bodies are bytes, which JSON has not. */
function bodiesWithin(maxBodyBytes: number): Fragment {
  const sides = SIDES.map((side) => {
    const body = name(side);
    return sql`if(length(${body}) <= ${int(maxBodyBytes)}, base64Encode(${body}), NULL) AS ${name(`${side}_base64`)},
      hex(${name(`${side}_sha256`)}) AS ${name(`${side}_sha256_hex`)}`;
  });
  return sql`id, ${join(sides)}, response_type`;
}

/** What takes more than it may, though so little is sought, is refused for that: others are asked for. */
async function asRefusal<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof LogTooMuchError)) throw error;
    const why = 'needed more time or memory than it may';
    throw new LogUnavailableError(error.message, { why, isRefusal: true, cause: error });
  }
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
