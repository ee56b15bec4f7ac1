import { unixMsOfId } from '#core/ids.ts';
import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { INFERENCES } from './columns.ts';
import { countOf, createAsking } from './rows/asking.ts';
import { type Fragment, literal, moments, name, sql, uuids } from './statement.ts';

/** Where inferences are looked for; their groups rule out what need not be read. */
export interface SoughtInferences {
  readonly groupIds: readonly string[];
  readonly ids: readonly string[];
}

export interface FoundInference {
  readonly id: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly isShadow: boolean;
  readonly createdAt: Date;
}

/**
 * Looks inferences up by id that count in no experiment. A row comes here a moment before PostgreSQL commits where it counts, or longer
 * when a shipper dies in between: one that says that it counts is not there yet, unless it is old.
 * @throws LogUnavailableError, LogTooMuchError
 */
export interface ClickHouseFinder {
  find(sought: SoughtInferences): Promise<FoundInference[]>;
  close(): void;
}

/** Someone waits for it. */
const LIMIT_MS = 5_000;
/** Where an inference counts is kept for longer than that. */
const SETTLED_HOURS = 24;
/** Ids, times and groups travel in the address, of which some proxies take 8 KB. */
const AT_ONCE = 40;

export function createClickHouseFinder(address: ClickHouseAddress): ClickHouseFinder {
  const client = createClickHouseClient({ address });
  const asking = createAsking(client);
  return {
    async find({ groupIds, ids }) {
      const found: FoundInference[] = [];
      for (const groups of pagesOf(groupIds)) {
        for (const some of pagesOf(ids)) {
          const lines = await asking.lines<Line>(questionOf(groups, some), LIMIT_MS);
          found.push(...lines.map(foundOf));
        }
      }
      return found;
    },
    close: () => client.close(),
  };
}

/** One that lies there twice is one. */
function questionOf(groupIds: readonly string[], ids: readonly string[]): Fragment {
  const times = [...new Set(ids.map(unixMsOfId))].map((unixMs) => new Date(unixMs));
  return sql`SELECT toString(id) AS inference, toString(organization_id) AS organization, toString(group_id) AS place,
      shadow_of IS NOT NULL AS shadow, toUnixTimestamp64Milli(created_at) AS ms
    FROM ${name(INFERENCES.name)}
    WHERE group_id IN ${uuids(groupIds)} AND created_at IN ${moments(times)} AND id IN ${uuids(ids)}
      AND (experiment_id IS NULL OR created_at < now() - INTERVAL ${literal(SETTLED_HOURS)} HOUR)
    LIMIT 1 BY id`;
}

function pagesOf(values: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(values.length / AT_ONCE) }, (_, page) =>
    values.slice(page * AT_ONCE, (page + 1) * AT_ONCE),
  );
}

interface Line {
  readonly inference: string;
  readonly organization: string;
  readonly place: string;
  readonly shadow: number;
  readonly ms: string;
}

function foundOf({ inference, organization, place, shadow, ms }: Line): FoundInference {
  return {
    id: inference,
    organizationId: organization,
    groupId: place,
    isShadow: shadow === 1,
    createdAt: new Date(countOf(ms)),
  };
}
