import { z } from '@hono/zod-openapi';
import { isUuid } from '#core/ids.ts';
import { balanceLedger, ledgerStateOf } from '#core/ledger.ts';
import { allGroups } from '#store/groups.ts';
import { type LedgerRow, listLedger, listLedgerMinutes, placeOf } from '#store/ledger.ts';
import type { Tx } from '#store/pool.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, toPage } from '../paging.ts';
import { invalid } from '../problem.ts';
import type { LedgerEntryView, LedgerMinuteView, LedgerQuery } from './ledger-schemas.ts';

/** `<milliseconds>/<gateway>/<group>` */
const placeSchema = z
  .string()
  .regex(/^\d{1,15}\/[^/]+\/[^/]+$/)
  .transform((text) => {
    const [unixMs, gatewayId, groupId] = text.split('/') as [string, string, string];
    return { unixMs: Number(unixMs), gatewayId, groupId };
  })
  .refine(({ gatewayId, groupId }) => isUuid(gatewayId) && isUuid(groupId));

/** The ledger of an organization's groups by gateway, newest gateway first. */
export async function listLedgerPage(tx: Tx, call: ReadCall<LedgerQuery>): Promise<Page<LedgerEntryView>> {
  const { names, place, filter } = await prepare(tx, call);
  const after =
    place === undefined ? undefined : { startedMs: place.unixMs, gatewayId: place.gatewayId, groupId: place.groupId };
  const rows = await listLedger(tx, { ...filter, after });
  return toPage(
    rows,
    call.query.limit,
    (row) => entryView(row, names.get(row.groupId) ?? ''),
    (row) => `${placeOf(row).startedMs}/${row.gatewayId}/${row.groupId}`,
  );
}

/** What the inferences of each minute have become, newest first. */
export async function listLedgerMinutePage(tx: Tx, call: ReadCall<LedgerQuery>): Promise<Page<LedgerMinuteView>> {
  const { names, place, filter } = await prepare(tx, call);
  const after =
    place === undefined
      ? undefined
      : { minute: new Date(place.unixMs), gatewayId: place.gatewayId, groupId: place.groupId };
  const rows = await listLedgerMinutes(tx, { ...filter, after });
  return toPage(
    rows,
    call.query.limit,
    (row) => ({ ...row, minute: row.minute.toISOString(), group: names.get(row.groupId) ?? '' }),
    (row) => `${row.minute.getTime()}/${row.gatewayId}/${row.groupId}`,
  );
}

async function prepare(tx: Tx, { organizationId, query }: ReadCall<LedgerQuery>) {
  const place = decodeCursor(query.cursor, placeSchema);
  const groups = await allGroups(tx, organizationId);
  const wanted = groups.filter(
    ({ id, name }) => query.group === undefined || query.group === name || query.group === id,
  );
  if (query.group !== undefined && wanted.length === 0) {
    throw invalid([{ field: 'group', message: `there is no group "${query.group}"` }]);
  }
  return {
    names: new Map(groups.map(({ id, name }) => [id, name])),
    place,
    filter: {
      groupIds: wanted.map(({ id }) => id),
      gatewayId: query.gateway,
      since: query.since === undefined ? undefined : new Date(query.since),
      until: query.until === undefined ? undefined : new Date(query.until),
      limit: query.limit + 1,
    },
  };
}

function entryView(row: LedgerRow, group: string): LedgerEntryView {
  const { gatewayId, groupId, gateway } = row;
  const state = ledgerStateOf(gateway);
  const settled = state !== 'live' && gateway !== null && gateway.spools > 0 && row.finishedSpools >= gateway.spools;
  return {
    gatewayId,
    gateway:
      gateway === null
        ? null
        : {
            host: gateway.host,
            startedAt: gateway.startedAt.toISOString(),
            seenAt: gateway.seenAt.toISOString(),
            stoppedAt: gateway.stoppedAt?.toISOString() ?? null,
            state,
          },
    ...{ group, groupId },
    ...balanceLedger(row.reported, row.held, state, settled),
    reportedAt: row.reportedAt?.toISOString() ?? null,
  };
}
