import { z } from '@hono/zod-openapi';
import { LIVE_WITHIN_MS } from '#core/ledger.ts';
import { listGateways } from '#store/gateways.ts';
import type { Tx } from '#store/pool.ts';
import { latestVersions } from '#store/snapshots.ts';

/** Processes that ended longer ago are not shown. */
const SHOWN_WITHIN_MS = 24 * 3_600_000;

export const gatewaysSchema = z
  .object({
    items: z.array(
      z.object({
        id: z.uuid(),
        host: z.string(),
        pid: z.int(),
        release: z.string(),
        workers: z.int(),
        snapshotVersion: z.int().openapi({ description: 'The newest configuration that all of its workers serve.' }),
        keyVersion: z.int(),
        startedAt: z.iso.datetime(),
        seenAt: z.iso.datetime(),
        live: z.boolean(),
      }),
    ),
    nextCursor: z.null(),
    latestVersion: z.int().openapi({ description: "The newest version of this organization's configuration." }),
    latestKeyVersion: z.int(),
  })
  .openapi('Gateways');

/** The gateway processes and what they serve, beside the newest versions of the organization. */
export async function showGateways(
  tx: Tx,
  { organizationId }: { readonly organizationId: string },
): Promise<z.output<typeof gatewaysSchema>> {
  const rows = await listGateways(tx, SHOWN_WITHIN_MS);
  const latest = await latestVersions(tx, organizationId);
  const items = rows.map(({ silentMs, stoppedAt, startedAt, seenAt, ...gateway }) => ({
    ...gateway,
    startedAt: startedAt.toISOString(),
    seenAt: seenAt.toISOString(),
    live: stoppedAt === null && silentMs <= LIVE_WITHIN_MS,
  }));
  return { items, nextCursor: null, latestVersion: latest.snapshotVersion, latestKeyVersion: latest.keyVersion };
}
