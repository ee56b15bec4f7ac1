import type { FeedbackItem, FeedbackReport, FeedbackRow } from '#inference-log/feedback-record.ts';
import { KEY_ID, newInferenceId, ORGANIZATION_ID } from './records.ts';

let count = 0;

/** A report of one inference: thumbs up. */
export function feedbackOf(changes: Partial<FeedbackItem> = {}): FeedbackItem {
  return {
    ...{ id: `report-${++count}`, inferenceId: newInferenceId(), correlation: null, metric: 'thumbs_up' },
    ...{ kind: 'boolean', value: 1, label: null, comment: null, atMs: Date.now() },
    ...changes,
  };
}

export function reportOf(items: readonly FeedbackItem[], changes: Partial<FeedbackReport> = {}): FeedbackReport {
  return { organizationId: ORGANIZATION_ID, keyId: KEY_ID, receivedMs: Date.now(), items, ...changes };
}

export function feedbackRow(changes: Partial<FeedbackRow> = {}): FeedbackRow {
  return { organizationId: ORGANIZATION_ID, keyId: KEY_ID, receivedMs: Date.now(), ...feedbackOf(), ...changes };
}
