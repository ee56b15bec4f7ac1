import type { Operations } from '../http/operation.ts';
import { listLedgerMinutePage, listLedgerPage } from '../ledger/ledger.ts';
import { ledgerEntrySchema, ledgerMinuteSchema, ledgerQuerySchema } from '../ledger/ledger-schemas.ts';
import { pageSchema } from '../paging.ts';
import { LEDGER_EXAMPLE, LEDGER_MINUTE_EXAMPLE, pageExample } from './examples.ts';

/** `/ledger`: where every accepted inference is. */
export function routeLedger(operations: Operations): void {
  operations.read({
    tag: 'ledger',
    path: '/ledger',
    operationId: 'listLedger',
    summary: 'List the ledger by gateway and group, newest gateway first',
    description:
      '`accepted = recorded + inFlight + interrupted` and `recorded = stored + spooled + archived + expired + dropped`, ' +
      'totals since the gateway started. `since` and `until` narrow the list to gateways that ran in between. Dead letters ' +
      'that do not tell their group belong to no organization and are not listed.',
    role: 'viewer',
    query: ledgerQuerySchema,
    answer: pageSchema(ledgerEntrySchema),
    example: pageExample(LEDGER_EXAMPLE),
    handle: async (tx, call) => ({ body: await listLedgerPage(tx, call) }),
  });
  operations.read({
    tag: 'ledger',
    path: '/ledger/minutes',
    operationId: 'listLedgerMinutes',
    summary: 'List what the store holds by gateway, group and minute, newest first',
    description:
      'Counted in the transaction that stores the rows, by the minute in which an inference began. `since` is cut to its minute.',
    role: 'viewer',
    query: ledgerQuerySchema,
    answer: pageSchema(ledgerMinuteSchema),
    example: pageExample(LEDGER_MINUTE_EXAMPLE),
    handle: async (tx, call) => ({ body: await listLedgerMinutePage(tx, call) }),
  });
}
