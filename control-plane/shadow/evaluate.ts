import { reasonOf } from '#core/reason.ts';
import { showsShadowFirst, verdictMeasures } from '#core/shadow/verdict.ts';
import { type Evaluator, shadowPolicySchema } from '#core/snapshot/shadow-policy.ts';
import type { CapturedInferences, InTransaction } from '#store/captured-inferences.ts';
import { findGroup, type GroupRow } from '#store/groups.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import {
  type ClaimedPair,
  claimEvaluations,
  dropEvaluations,
  type EvaluatedGroup,
  failEvaluation,
  releaseEvaluation,
  scorePair,
} from '#store/shadow-evaluations.ts';
import type { Clock } from '../clock.ts';
import { type Outbound, OutboundError } from '../http/outbound.ts';
import { requestOf } from '../inferences/captured.ts';
import { askGroup, askWebhook, type JudgeAnswer, type JudgedPair } from './ask-evaluator.ts';
import { type EvaluatorAccessDeps, evaluatorKey, evaluatorSecret } from './evaluator-access.ts';
import { answerOf } from './pair-side.ts';

export interface EvaluateDeps extends EvaluatorAccessDeps {
  /** Of the role `application`. */
  readonly db: Db;
  readonly captured: CapturedInferences;
  /** Where the gateway answers; our own, so that its address may be private. */
  readonly gatewayUrl: string;
  readonly gatewayOutbound: Outbound;
  /** For webhooks. */
  readonly outbound: Outbound;
  readonly clock: Clock;
}

type Ask = (pair: JudgedPair) => Promise<JudgeAnswer>;

/** Calls of one group that are under way at once. */
const AT_ONCE = 8;
const MAX_ATTEMPTS = 4;
const FIRST_WAIT_MS = 60_000;
const GONE: JudgeAnswer = { kind: 'failed', detail: 'its answers are gone' };

/**
 * Asks a group's evaluator for its verdict on some pairs.
 *
 *   pending ──taken for one attempt──▶ asked ──verdict──▶ scored
 *      ▲                                 └──anything else──▶ pending, after a growing wait; after the fourth attempt failed
 *      ├──nobody wrote down what came of it, in three minutes──┤
 *      └──the log could not be read: no attempt, asked in a minute──┘
 *
 * A process that dies in between has the judge asked again, the same question; the first verdict that is written down stays.
 * @returns how many were asked
 */
export async function evaluatePairs(deps: EvaluateDeps, of: EvaluatedGroup, signal: AbortSignal): Promise<number> {
  const begun = await inOrganization(deps.db, of.organizationId, (tx) => begin(tx, deps, of, signal));
  if (begun === null) return 0;
  await Promise.all(begun.pairs.map((pair) => evaluate(deps, of, begun.group, pair, begun.ask, signal)));
  return begun.pairs.length;
}

async function begin(tx: Tx, deps: EvaluateDeps, of: EvaluatedGroup, signal: AbortSignal) {
  const group = await findGroup(tx, of.organizationId, of.groupId);
  const evaluator = group === undefined ? null : shadowPolicySchema.parse(group.shadow).evaluator;
  if (group === undefined || evaluator === null) {
    await dropEvaluations(tx, of);
    return null;
  }
  const pairs = await claimEvaluations(tx, of, { maxPerMinute: evaluator.maxPerMinute, atOnce: AT_ONCE });
  if (pairs.length === 0) return null;
  return { group, pairs, ask: await askWith(tx, deps, of, evaluator, signal) };
}

/** How the evaluator is asked; what keeps it from being asked is the answer to every pair. */
async function askWith(
  tx: Tx,
  deps: EvaluateDeps,
  of: EvaluatedGroup,
  evaluator: Evaluator,
  signal: AbortSignal,
): Promise<Ask> {
  const cannot =
    (detail: string): Ask =>
    async () => ({ kind: 'failed', detail });
  switch (evaluator.kind) {
    case 'group': {
      const judge = await findGroup(tx, of.organizationId, evaluator.group);
      if (judge === undefined) return cannot(`there is no group "${evaluator.group}"`);
      if (judge.id === of.groupId) return cannot('a group cannot judge itself');
      const key = await evaluatorKey(tx, deps, of, judge);
      const gateway = { outbound: deps.gatewayOutbound, url: deps.gatewayUrl, key };
      return (pair) => askGroup(gateway, evaluator, pair, signal);
    }
    case 'webhook': {
      const secret = await evaluatorSecret(tx, deps, of);
      if (secret === null)
        return cannot('there is no secret to sign with; POST /groups/{name}/evaluator-secret makes one');
      const { outbound, clock } = deps;
      return (pair) => askWebhook({ outbound, url: evaluator.url, secret, nowMs: clock.nowMs() }, pair, signal);
    }
    default:
      return evaluator satisfies never;
  }
}

async function evaluate(
  { db, captured }: EvaluateDeps,
  { organizationId }: EvaluatedGroup,
  group: GroupRow,
  claimed: ClaimedPair,
  ask: Ask,
  signal: AbortSignal,
): Promise<void> {
  const { shadowId } = claimed;
  const shadowFirst = showsShadowFirst(shadowId);
  const inTransaction: InTransaction = (work) => inOrganization(db, organizationId, work);
  const pair = await loadPair(captured, inTransaction, group, claimed, shadowFirst).catch((error: unknown) => {
    if (error instanceof LogUnavailableError) return error;
    throw error;
  });
  if (pair instanceof LogUnavailableError) {
    const released = { detail: pair.message, waitMs: FIRST_WAIT_MS };
    return inTransaction((tx) => releaseEvaluation(tx, organizationId, shadowId, released));
  }
  // What was there when the pair was compared may still be on its way to another replica.
  const answer = pair === null ? GONE : await ask(pair).catch(failedCall);
  // Stopped in the middle: the lease runs out, and whoever leads then asks again.
  if (answer.kind === 'failed' && signal.aborted) return;
  if (answer.kind === 'verdict') {
    const measures = verdictMeasures(answer.preference, shadowFirst);
    return inTransaction((tx) => scorePair(tx, organizationId, shadowId, { measures, reason: answer.reason }));
  }
  const waitMs = claimed.attempts >= MAX_ATTEMPTS ? null : FIRST_WAIT_MS * 2 ** (claimed.attempts - 1);
  return inTransaction((tx) => failEvaluation(tx, organizationId, shadowId, { detail: answer.detail, waitMs }));
}

function failedCall(error: unknown): JudgeAnswer {
  if (error instanceof OutboundError) return { kind: 'failed', detail: reasonOf(error) };
  throw error;
}

async function loadPair(
  captured: CapturedInferences,
  inTransaction: InTransaction,
  group: GroupRow,
  { shadowId, inferenceId }: ClaimedPair,
  shadowFirst: boolean,
): Promise<JudgedPair | null> {
  const found = await captured.find(inTransaction, {
    ...{ organizationId: group.organization_id, groupId: group.id, ids: [shadowId, inferenceId] },
  });
  const [original, shadow] = [inferenceId, shadowId].map((id) => {
    const one = found.get(id);
    const answer = one && answerOf(one.row, one.payload);
    return answer?.kind === 'chat' ? answer : null;
  });
  const asked = found.get(inferenceId);
  const request = asked && requestOf(asked.row, asked.payload);
  if (!original || !shadow || request?.kind !== 'kept') return null;
  const [first, second] = shadowFirst ? [shadow, original] : [original, shadow];
  return {
    ...{ pairId: shadowId, inferenceId, group: group.name, request: request.bytes.toString('utf8') },
    ...{
      first: { text: first.text, toolCalls: first.toolCalls },
      second: { text: second.text, toolCalls: second.toolCalls },
    },
  };
}
