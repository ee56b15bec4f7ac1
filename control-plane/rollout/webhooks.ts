import type { Keyring } from '#core/envelope.ts';
import { reasonOf } from '#core/reason.ts';
import { webhookOfGate } from '#core/rollout/gates.ts';
import type { Hook } from '#core/rollout/plan.ts';
import type { Db } from '#store/pool.ts';
import { type DueWebhook, settleWebhook, type WebhookOutcome } from '#store/rollout-webhooks.ts';
import type { Clock } from '../clock.ts';
import { type Outbound, type OutboundAnswer, OutboundError } from '../http/outbound.ts';
import { openWebhookSecret, signatureOf } from './webhook-secret.ts';

export interface WebhookDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly keyring: Keyring;
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A question is answered or it holds the rollout; a notice only has to arrive. */
const IS_GATE: Readonly<Record<Hook, boolean>> = {
  'confirm-start': true,
  'confirm-step': true,
  'confirm-promotion': true,
  'on-rollback': false,
  'on-end': false,
};

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16_384;
/** With the waits below: about 25 minutes. */
export const MAX_ATTEMPTS = 12;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;
const MAX_DETAIL = 500;

/**
 * Makes one attempt at a call and writes down what became of it.
 *
 *   pending ──2xx──▶ approved
 *      │ └──409, or 403, with a reason, to a question──▶ denied
 *      ├──anything else──▶ pending, after a growing wait
 *      └──the last attempt was in vain, or the rollout ended, or asks no more──▶ failed
 *
 * Sent first and written afterwards: a process that dies between the two sends again, with the same id.
 * @throws what the database throws
 */
export async function deliverWebhook(deps: WebhookDeps, row: DueWebhook, signal: AbortSignal): Promise<void> {
  const isGate = IS_GATE[row.hook as Hook];
  if (isGate && (row.rolloutEnded || !row.isAsked)) {
    const what = row.rolloutEnded ? 'the rollout ended' : 'the question was taken back';
    await settleWebhook(deps.db, row, { state: 'failed', detail: `${what} before there was an answer` });
    return;
  }
  let outcome: WebhookOutcome;
  try {
    outcome = judge(await call(deps, row, signal), isGate, row.attempts, deps.random);
  } catch (error) {
    if (error instanceof OutboundError && error.fault === 'aborted') return;
    outcome = again(reasonOf(error), row.attempts, deps.random);
  }
  await settleWebhook(deps.db, row, outcome);
}

function call(
  { keyring, outbound, clock }: WebhookDeps,
  row: DueWebhook,
  signal: AbortSignal,
): Promise<OutboundAnswer> {
  const { url } = webhookOfGate(row.plan, row.gate) ?? {};
  if (url === undefined) throw new Error(`the plan has no webhook for ${row.gate}`);
  if (row.secrets === null) throw new Error('the rollout has no secret to sign with');
  const secret = openWebhookSecret(keyring, row.organization_id, row.rollout_id, row.secrets);
  // The same at each attempt, as its id is.
  const body = JSON.stringify({
    ...row.payload,
    id: row.id,
    hook: row.hook,
    gate: row.gate,
    createdAt: row.created_at.toISOString(),
  });
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'ringside',
    'x-ringside-delivery': row.id,
    'x-ringside-attempt': String(row.attempts + 1),
    'x-ringside-signature': signatureOf(secret, Math.floor(clock.nowMs() / 1_000), body),
  };
  return outbound.post(url, headers, body, { timeoutMs: TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal });
}

function judge(
  { status, body }: OutboundAnswer,
  isGate: boolean,
  attempts: number,
  random: () => number,
): WebhookOutcome {
  const reason = reasonIn(body);
  if (status >= 200 && status < 300) return { state: 'approved', detail: reason };
  if (isGate && (status === 409 || status === 403) && reason !== '') return { state: 'denied', detail: reason };
  const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return again(`answered ${status}${redirect}${reason === '' ? '' : `: ${reason}`}`, attempts, random);
}

function again(detail: string, attempts: number, random: () => number): WebhookOutcome {
  const said = detail.slice(0, MAX_DETAIL);
  if (attempts + 1 >= MAX_ATTEMPTS)
    return { state: 'failed', detail: `given up after ${attempts + 1} attempts: ${said}` };
  const waitMs = Math.min(FIRST_WAIT_MS * 2 ** attempts, LONGEST_WAIT_MS) * (0.75 + random() / 2);
  return { state: 'pending', detail: said, waitMs };
}

/** What the owner of the webhook says: `reason`, `message` or `detail` of a JSON object, else the text. */
function reasonIn(body: string): string {
  let said: unknown = body;
  try {
    const parsed = JSON.parse(body) as Record<string, unknown> | null;
    said = parsed?.['reason'] ?? parsed?.['message'] ?? parsed?.['detail'] ?? body;
  } catch {
    // no JSON: the text as it is
  }
  const text = typeof said === 'string' ? said : JSON.stringify(said);
  // Control characters have no place in a sentence, and NUL none in PostgreSQL.
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .toWellFormed()
    .trim()
    .slice(0, MAX_DETAIL)
    .toWellFormed();
}
