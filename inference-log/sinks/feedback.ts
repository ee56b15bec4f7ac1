import type { ClientBase } from 'pg';
import { reasonOf } from '#core/reason.ts';
import type { FeedbackRow } from '../feedback-record.ts';
import { RefusedBatchError } from '../spool.ts';
import { cleanText } from './columns.ts';
import { sqlStateOf } from './sql-errors.ts';

interface FeedbackColumn {
  readonly name: string;
  readonly type: 'uuid' | 'text' | 'numeric' | 'timestamptz';
  readonly of: (row: FeedbackRow) => string | null;
}

const COLUMNS: readonly FeedbackColumn[] = [
  { name: 'organization_id', type: 'uuid', of: ({ organizationId }) => organizationId },
  { name: 'id', type: 'text', of: ({ id }) => cleanText(id) },
  { name: 'inference_id', type: 'uuid', of: ({ inferenceId }) => inferenceId },
  { name: 'correlation', type: 'text', of: ({ correlation }) => textOf(correlation) },
  { name: 'metric', type: 'text', of: ({ metric }) => cleanText(metric) },
  { name: 'kind', type: 'text', of: ({ kind }) => kind },
  // The shortest digits that are this double: exactly what the caller meant.
  { name: 'value', type: 'numeric', of: ({ value }) => (value === null ? null : String(value)) },
  { name: 'label', type: 'text', of: ({ label }) => textOf(label) },
  { name: 'comment', type: 'text', of: ({ comment }) => textOf(comment) },
  { name: 'key_id', type: 'uuid', of: ({ keyId }) => keyId },
  { name: 'at', type: 'timestamptz', of: ({ atMs }) => new Date(atMs).toISOString() },
  { name: 'received_at', type: 'timestamptz', of: ({ receivedMs }) => new Date(receivedMs).toISOString() },
];

const ADD = `
  INSERT INTO feedback (gateway_id, ${COLUMNS.map(({ name }) => name).join(', ')})
  SELECT $1::uuid, * FROM UNNEST(${COLUMNS.map(({ type }, index) => `$${index + 2}::${type}[]`).join(', ')})
  ON CONFLICT (organization_id, id) DO NOTHING`;
const CHECK_VIOLATION = '23514';

/**
 * Adds reports, as pending; an id that its organization has already changes nothing. In one order for everyone, so that two shippers
 * with the same ids never wait for each other in a circle.
 * @throws RefusedBatchError when a check of the table refuses one; other errors as they come
 */
export async function addFeedback(
  client: ClientBase,
  gatewayId: string,
  rows: readonly FeedbackRow[] = [],
): Promise<void> {
  if (rows.length === 0) return;
  const sorted = rows.toSorted((a, b) => compare(a.organizationId, b.organizationId) || compare(a.id, b.id));
  try {
    const values = [gatewayId, ...COLUMNS.map(({ of }) => sorted.map(of))];
    await client.query({ name: 'add-feedback', text: ADD, values });
  } catch (error) {
    // Of the log's tables it would say that a partition lacks.
    if (sqlStateOf(error) === CHECK_VIOLATION) throw new RefusedBatchError(reasonOf(error), { cause: error });
    throw error;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function textOf(text: string | null): string | null {
  return text === null ? null : cleanText(text);
}
