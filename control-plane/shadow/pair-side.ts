import type { ErrorCode } from '#core/errors.ts';
import { judgeFirstAttempt } from '#core/experiments/first-attempt.ts';
import type { ComparedAnswer, PairSide } from '#core/shadow/measures.ts';
import { readTensors } from '#core/shadow/tensors.ts';
import type { AttemptRecord } from '#inference-log/record.ts';
import type { CapturedRow } from '#store/captured-inferences.ts';
import type { PayloadRow } from '#store/inferences.ts';
import { responseOf } from '../inferences/captured.ts';
import { chatAnswerOf } from '../inferences/chat-answer.ts';
import { isShallow } from '../inferences/depth.ts';
import { readSaid } from './said.ts';

const NS_PER_US = 1_000;

/** An inference as a side of a pair, all but whether its answer has the form that was asked for. */
export function pairSideOf(row: CapturedRow, payload: PayloadRow | undefined): Omit<PairSide, 'isSchemaValid'> {
  const attempts = row.attempts as readonly AttemptRecord[];
  const [first] = attempts;
  return {
    firstAttempt: judgeFirstAttempt({
      assignedVariant: row.assigned_variant,
      outcome: row.outcome as 'completed' | 'failed' | 'client_closed' | 'interrupted',
      errorCode: row.error_code as ErrorCode | null,
      attempts,
    }),
    latencyUs: first === undefined ? null : latencyOf(first),
    costMicroUsd: row.cost_micro_usd,
    outputTokens: row.output_tokens,
    answer: answerOf(row, payload),
  };
}

function latencyOf({ startNs, endNs }: AttemptRecord): number | null {
  const lastedNs = endNs - startNs;
  return Number.isSafeInteger(lastedNs) && lastedNs >= 0 ? Math.round(lastedNs / NS_PER_US) : null;
}

/** The answer that was given, if all of it was kept: the end of a text that was cut would be a difference that there was not. */
export function answerOf(row: CapturedRow, payload: PayloadRow | undefined): ComparedAnswer | null {
  const response = responseOf(row, payload);
  if (row.outcome !== 'completed' || response.kind === 'missing' || !response.isWhole) return null;
  const body = response.bytes.toString('utf8');
  if (row.operation === 'infer') return tensorsOf(body);
  if (row.operation !== 'chat') return null;
  const answer = chatAnswerOf(row.dialect, body, payload?.response_type ?? null);
  const said = answer?.isWhole === true ? readSaid(row.dialect, answer.said) : null;
  return said === null ? null : { kind: 'chat', ...said };
}

function tensorsOf(body: string): ComparedAnswer | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null; // binary outputs, or an error in plain text
  }
  const tensors = isShallow(parsed) ? readTensors(parsed) : null;
  return tensors === null ? null : { kind: 'tensors', tensors };
}
