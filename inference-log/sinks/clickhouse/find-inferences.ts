import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { INFERENCES } from './columns.ts';

/** Where inferences are looked for: all lists are of the same inferences, and rule out what need not be read. */
export interface SoughtInferences {
  readonly groupIds: readonly string[];
  readonly ids: readonly string[];
  /** The times in the ids. */
  readonly times: readonly Date[];
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
 * @throws ClickHouseError, ClickHouseUnreachableError
 */
export interface ClickHouseFinder {
  find(sought: SoughtInferences): Promise<FoundInference[]>;
  close(): void;
}

/** Someone waits for it. */
const TIMEOUT_MS = 5_000;
/** Where an inference counts is kept for longer than that. */
const SETTLED_HOURS = 24;

export function createClickHouseFinder(address: ClickHouseAddress): ClickHouseFinder {
  const client = createClickHouseClient({ address, timeoutMs: TIMEOUT_MS });
  return {
    async find({ groupIds, ids, times }) {
      if (groupIds.length === 0 || ids.length === 0) return [];
      const quoted = (list: readonly string[]) => list.map((id) => `'${id}'`).join(', ');
      const moments = times.map((time) => `fromUnixTimestamp64Milli(${time.getTime()}, 'UTC')`).join(', ');
      // One that lies there twice is one.
      const text =
        await client.query(`SELECT toString(id) AS inference, toString(organization_id) AS organization, toString(group_id) AS place,
          shadow_of IS NOT NULL AS shadow, toUnixTimestamp64Milli(created_at) AS ms
        FROM ${INFERENCES.name} WHERE group_id IN (${quoted(groupIds)}) AND created_at IN (${moments}) AND id IN (${quoted(ids)})
          AND (experiment_id IS NULL OR created_at < now() - INTERVAL ${SETTLED_HOURS} HOUR)
        LIMIT 1 BY id SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT JSONEachRow`);
      return text.split('\n').flatMap((line) => (line === '' ? [] : [foundOf(JSON.parse(line) as Line)]));
    },
    close: () => client.close(),
  };
}

interface Line {
  readonly inference: string;
  readonly organization: string;
  readonly place: string;
  readonly shadow: number;
  readonly ms: number;
}

function foundOf({ inference, organization, place, shadow, ms }: Line): FoundInference {
  return {
    id: inference,
    organizationId: organization,
    groupId: place,
    isShadow: shadow === 1,
    createdAt: new Date(ms),
  };
}
