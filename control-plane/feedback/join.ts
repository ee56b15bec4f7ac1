import { type ExperimentDefinition, experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { groupHashOf, groupHashOfId, unixMsOfId } from '#core/ids.ts';
import {
  addToUnitMetrics,
  type Contribution,
  type CountedInference,
  correlatedInferences,
  countedInferences,
  groupsOfKeys,
  groupsOfOrganizations,
  longestWindows,
  type MeasuringExperiment,
  measuringExperiments,
  type PendingFeedback,
  postponeFeedback,
  type Settlement,
  type StoredInference,
  settleFeedback,
  storedInferences,
  takePending,
} from '#store/feedback-join.ts';
import type { Db, Tx } from '#store/pool.ts';

/** What one batch came to. */
export interface JoinedBatch {
  /** Of all that were due; fewer than were asked for: no more are. */
  readonly taken: number;
  readonly joined: number;
  readonly unmatched: number;
}

/** Where the log's rows are, if not in PostgreSQL. */
export type FindElsewhere = (sought: {
  readonly groupIds: readonly string[];
  readonly ids: readonly string[];
}) => Promise<readonly StoredInference[]>;

export interface JoinOptions {
  /** At most so many reports. */
  readonly limit: number;
  readonly findElsewhere?: FindElsewhere | undefined;
  /** The other store could not be asked: reports go on waiting. */
  readonly onTrouble?: ((error: unknown) => void) | undefined;
}

type Definition = Pick<ExperimentDefinition, 'primary' | 'guardrails'>;

const HOUR_MS = 3_600_000;
/** How long a report waits at least: a gateway may bring its inferences late. */
const MIN_WINDOW_MS = 7 * 24 * HOUR_MS;
const UNKNOWN_EXPERIMENT: MeasuringExperiment = {
  definition: experimentDefinitionSchema.parse({ guardrails: [] }),
  isClosed: false,
};

/**
 * Joins reports of feedback with the inferences that they are about, in one transaction: what they have become and what they add to
 * their units is written together, so each counts exactly once, whatever is killed when and however many joiners there are.
 *
 *   due ──its inference counts in an experiment──▶ joined, and counted there if it came within the attribution window
 *    ├────its inference is in the log──▶ joined, counts nowhere
 *    ├────it is of a group that the reporting key may not use──▶ unmatched
 *    ├────not found, and its time has passed──▶ unmatched
 *    └────not found──▶ pending, looked at again after as long as it has waited
 *
 * @param db of the role `leader`
 */
export function joinFeedback(db: Db, options: JoinOptions): Promise<JoinedBatch> {
  return db.transaction().execute(async (tx) => {
    const due = await takePending(tx, options.limit);
    if (due.length === 0) return { taken: 0, joined: 0, unmatched: 0 };
    const { counted, stored } = await lookUp(tx, due, options);
    const experiments = await measuringExperiments(
      tx,
      unique([...counted.values()].map(({ experimentId }) => experimentId)),
    );
    const allowed = await groupsOfKeys(tx, unique(due.map(({ keyId }) => keyId)));
    const windows = await longestWindows(tx, unique(due.map(({ organizationId }) => organizationId)));
    const settled: Settlement[] = [];
    const added: Contribution[] = [];
    const waiting: PendingFeedback[] = [];
    for (const report of due) {
      const inference = counted.get(report);
      const plain = stored.found.get(report);
      const groupId = (inference ?? plain)?.groupId;
      if (groupId !== undefined && !mayReport(allowed.get(report.keyId), groupId)) {
        settled.push(unmatched(report));
      } else if (inference !== undefined) {
        const experiment = experiments.get(inference.experimentId) ?? UNKNOWN_EXPERIMENT;
        const settlement = settle(report, inference, experiment);
        settled.push(settlement);
        if (settlement.experimentId !== null) added.push(...contributionsOf(report, inference, experiment.definition));
      } else if (plain !== undefined) {
        settled.push({ ...joined(report, plain), inferenceId: plain.id });
      } else if (stored.isSure && report.waitedMs > windowMs(windows.get(report.organizationId))) {
        settled.push(unmatched(report));
      } else waiting.push(report);
    }
    await addToUnitMetrics(tx, added);
    await settleFeedback(tx, settled);
    await postponeFeedback(tx, waiting);
    const lost = settled.filter(({ state }) => state === 'unmatched').length;
    return { taken: due.length, joined: settled.length - lost, unmatched: lost };
  });
}

/** Where reports' inferences count, and which of the others are in the log. */
async function lookUp(tx: Tx, due: readonly PendingFeedback[], options: JoinOptions) {
  const counted = await findCounted(tx, due);
  const stored = await findStored(
    tx,
    due.filter((report) => !counted.has(report)),
    options,
  );
  // Each statement sees what is committed by then, and a row comes with the place where it counts: what is in the log only now
  // may have had none a moment ago.
  for (const [report, inference] of await findCounted(tx, [...stored.found.keys()])) counted.set(report, inference);
  return { counted, stored };
}

/** The gateway knows 12 bits of the group only (core/ids.ts); here it is known whole. @param groups of the key; undefined: it never was */
function mayReport(groups: readonly string[] | null | undefined, groupId: string): boolean {
  return groups === null || (groups?.includes(groupId) ?? false);
}

function windowMs(attributionHours = 0): number {
  return Math.max(MIN_WINDOW_MS, attributionHours * HOUR_MS);
}

async function findCounted(tx: Tx, due: readonly PendingFeedback[]): Promise<Map<PendingFeedback, CountedInference>> {
  const byId = new Map(
    (
      await countedInferences(
        tx,
        due.flatMap(({ inferenceId }) => inferenceId ?? []),
      )
    ).map((one) => [one.inferenceId, one]),
  );
  const correlated = await correlatedInferences(
    tx,
    due.filter(({ inferenceId }) => inferenceId === null),
  );
  const byReport = new Map(correlated.map((one) => [keyOf(one.organizationId, one.feedbackId), one]));
  const found = new Map<PendingFeedback, CountedInference>();
  for (const report of due) {
    const { organizationId, id, inferenceId } = report;
    const inference = inferenceId === null ? byReport.get(keyOf(organizationId, id)) : byId.get(inferenceId);
    // Another organization's inference is not there.
    if (inference?.organizationId === organizationId) found.set(report, inference);
  }
  return found;
}

/** Which of the inferences are in the log at all: by id, which rules out nearly all groups. `isSure`: every store was asked. */
async function findStored(
  tx: Tx,
  reports: readonly PendingFeedback[],
  { findElsewhere, onTrouble }: JoinOptions,
): Promise<{ readonly found: ReadonlyMap<PendingFeedback, StoredInference>; readonly isSure: boolean }> {
  const wanted = reports.filter(({ inferenceId }) => inferenceId !== null);
  const found = new Map<PendingFeedback, StoredInference>();
  if (wanted.length === 0) return { found, isSure: true };
  const stored = new Map<string, StoredInference>();
  const byGroup = await groupsOf(tx, wanted);
  for (const [groupId, ids] of byGroup) {
    for (const one of await storedInferences(tx, groupId, ids, timesOf(ids))) stored.set(one.id, one);
  }
  let isSure = true;
  const missing = unique([...byGroup.values()].flat()).filter((id) => !stored.has(id));
  if (findElsewhere !== undefined && missing.length > 0) {
    try {
      const sought = { groupIds: [...byGroup.keys()], ids: missing };
      for (const one of await findElsewhere(sought)) stored.set(one.id, one);
    } catch (error) {
      isSure = false;
      onTrouble?.(error);
    }
  }
  for (const report of wanted) {
    const inference = stored.get(report.inferenceId!);
    if (inference?.organizationId === report.organizationId) found.set(report, inference);
  }
  return { found, isSure };
}

/** The inferences that reports name, by the groups that they may be of. */
async function groupsOf(tx: Tx, reports: readonly PendingFeedback[]): Promise<Map<string, string[]>> {
  const groups = await groupsOfOrganizations(tx, unique(reports.map(({ organizationId }) => organizationId)));
  const placesOf = Map.groupBy(groups, ({ id, organizationId }) => keyOf(organizationId, groupHashOf(id)));
  const byGroup = new Map<string, string[]>();
  for (const { organizationId, inferenceId } of reports) {
    for (const { id } of placesOf.get(keyOf(organizationId, groupHashOfId(inferenceId!))) ?? []) {
      byGroup.set(id, [...(byGroup.get(id) ?? []), inferenceId!]);
    }
  }
  return byGroup;
}

function timesOf(ids: readonly string[]): Date[] {
  return unique(ids.map(unixMsOfId)).map((unixMs) => new Date(unixMs));
}

/** A report that comes after the attribution window, or to an experiment whose figures are final, is about a known inference, and counts nowhere. */
function settle(
  report: PendingFeedback,
  inference: CountedInference,
  { definition: { attributionHours }, isClosed }: MeasuringExperiment,
): Settlement {
  const { inferenceId, experimentId, phase, arm } = inference;
  const settlement = { ...joined(report, inference), inferenceId };
  const isLate = isClosed || settlement.delayMs > attributionHours * HOUR_MS;
  return isLate ? settlement : { ...settlement, experimentId, phase, arm };
}

function joined(
  { organizationId, id, at }: PendingFeedback,
  inference: Pick<StoredInference, 'createdAt' | 'isShadow'>,
) {
  // The clocks of a caller and a gateway may differ by more than a quick reply takes.
  const delayMs = Math.max(0, at.getTime() - inference.createdAt.getTime());
  const nowhere = { experimentId: null, phase: null, arm: null };
  return { organizationId, id, state: 'joined', ...nowhere, isShadow: inference.isShadow, delayMs } as const;
}

function unmatched({ organizationId, id }: PendingFeedback): Settlement {
  const nowhere = { inferenceId: null, experimentId: null, phase: null, arm: null };
  return { organizationId, id, state: 'unmatched', ...nowhere, isShadow: false, delayMs: null };
}

/**
 * What a report adds. A label adds to the share of each label that the experiment asks for: 1 to its own, 0 to the others, so that
 * all have the same count. A label that nothing asks for adds nowhere: its share would be 1 of 1. Nor does an answer that nobody got.
 */
function contributionsOf(
  { metric, kind, value, label }: PendingFeedback,
  { experimentId, phase, arm, unit, organizationId, isShadow }: CountedInference,
  definition: Definition,
): Contribution[] {
  if (isShadow) return [];
  const place = { experimentId, phase, arm, unit, organizationId };
  switch (kind) {
    case 'numeric':
    case 'boolean':
      return [{ ...place, metric, value: value! }];
    case 'label':
      return labelsAskedFor(definition, metric).map((asked) => ({
        ...{ ...place, metric: `${metric}=${asked}` },
        value: asked === label ? '1' : '0',
      }));
    case 'comment':
      return [];
    default:
      return kind satisfies never;
  }
}

function labelsAskedFor({ primary, guardrails }: Definition, metric: string): string[] {
  const asked = [...(primary === null ? [] : [primary]), ...guardrails].map((one) => one.metric);
  const start = `${metric}=`;
  return unique(asked.filter((name) => name.startsWith(start))).map((name) => name.slice(start.length));
}

function keyOf(organizationId: string, what: string | number): string {
  return `${organizationId} ${what}`;
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}
