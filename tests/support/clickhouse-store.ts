import { randomUUID } from 'node:crypto';
import { describe } from 'vitest';
import { type ClickHouseAddress, parseClickHouseUrl } from '#inference-log/sinks/clickhouse/address.ts';
import { type ClickHouseClient, createClickHouseClient } from '#inference-log/sinks/clickhouse/client.ts';
import { migrateClickHouse } from '#inference-log/sinks/clickhouse/migrate.ts';
import { startClickHouse, type TestClickHouse } from './clickhouse-server.ts';

/** A migrated database of its own in ClickHouse, and how to look into it. */
export interface ClickHouseStore {
  readonly address: ClickHouseAddress;
  readonly client: ClickHouseClient;
  /** Rows of a SELECT without FORMAT. */
  rows(select: string): Promise<Record<string, unknown>[]>;
  /** The distinct inferences, as a reader sees them. */
  storedIds(gatewayId: string): Promise<string[]>;
  close(): Promise<void>;
}

/** `describe` where there is a ClickHouse; elsewhere the tests are skipped, and standard error says how to have one. */
export async function describeWithClickHouse(
  name: string,
  define: (server: () => TestClickHouse) => void,
): Promise<() => Promise<void>> {
  const server = await startClickHouse();
  if (server.kind === 'missing') {
    process.stderr.write(`\n*** SKIPPED, no ClickHouse: ${name}\n*** ${server.why}\n\n`);
    describe.skip(name, () => define(() => undefined as never));
    return async () => undefined;
  }
  process.stderr.write(`${name}: on ${server.what}\n`);
  describe(name, () => define(() => server));
  return server.stop;
}

export function addressOf(url: string): ClickHouseAddress {
  const parsed = parseClickHouseUrl(url);
  if (parsed.kind === 'bad') throw new Error(`the url ${parsed.reason}`);
  return parsed.address;
}

export async function createClickHouseStore(
  server: TestClickHouse,
  changes: Partial<ClickHouseAddress> = {},
): Promise<ClickHouseStore> {
  const database = `t_${randomUUID().replaceAll('-', '')}`;
  const address = addressOf(`${server.url}/${database}`);
  await migrateClickHouse({ address });
  const client = createClickHouseClient({ address });
  const rows = async (select: string) => {
    // Numbers as numbers, and what is no UTF-8 not at all: a test asks for its hex.
    const text = await client.query(
      `${select} FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0`,
    );
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
  };
  return {
    ...{ address: { ...address, ...changes }, client, rows },
    async storedIds(gatewayId) {
      const found = await rows(`SELECT id FROM inferences FINAL WHERE gateway_id = '${gatewayId}'`);
      return found.map(({ id }) => id as string).sort();
    },
    async close() {
      await client.query(`DROP DATABASE ${database}`, { inDatabase: false });
      client.close();
    },
  };
}
