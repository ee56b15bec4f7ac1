import { hash } from 'node:crypto';
import type { Ingest } from '#core/experiments/definition.ts';
import { type Histogram, observe } from '#core/histogram.ts';
import { unixMsOfId } from '#core/ids.ts';
import { measure, SUM_COLUMNS, type SumColumn } from './experiment-measures.ts';
import type { ExperimentPlace, InferenceRow } from './record.ts';
import { cleanText } from './sinks/columns.ts';

/** An experiment as the store knows it. */
export interface KnownExperiment {
  readonly organizationId: string;
  readonly groupId: string;
  readonly ingest: Ingest;
}

interface Place {
  readonly experimentId: string;
  readonly phase: number;
  readonly arm: number;
  readonly organizationId: string;
}

/** What some inferences add to a unit of an arm. */
export interface UnitDelta extends Place {
  /** md5 of the unit, as a uuid. */
  readonly unit: string;
  firstAtMs: number;
  readonly sums: Record<SumColumn, number>;
}

/** What they add to the arm, as the fast guard sees it. Histograms are of nanoseconds. */
export interface TotalsDelta extends Place {
  requests: number;
  failures: number;
  readonly latency: Histogram;
  readonly firstToken: Histogram;
  lastAtMs: number;
}

/** Where an inference counts, for what is reported of it later. */
export interface CountedInference extends Place {
  readonly id: string;
  readonly groupId: string;
  readonly unit: string;
  readonly correlation: string | null;
  readonly shadowOf: string | null;
}

/** A mirrored call, which waits to be compared. */
export interface ShadowPair {
  readonly id: string;
  readonly inferenceId: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly experimentId: string | null;
  readonly shadowVariant: string;
  readonly unit: string;
}

export interface ExperimentCounts {
  readonly units: readonly UnitDelta[];
  readonly totals: readonly TotalsDelta[];
  readonly inferences: readonly CountedInference[];
  readonly shadows: readonly ShadowPair[];
}

/** Whether anything of a row goes into an experiment or is to be compared; most rows are done with it. */
export function concernsExperiments({ begin }: InferenceRow): boolean {
  return begin.experiment !== undefined || begin.shadowOf !== undefined;
}

/** Whether the store knows the experiment that a row names, as one of the row's own group. */
export function knows(known: ReadonlyMap<string, KnownExperiment>, { begin }: InferenceRow): boolean {
  const experiment = begin.experiment === undefined ? undefined : known.get(begin.experiment.id);
  return experiment?.organizationId === begin.organizationId && experiment.groupId === begin.groupId;
}

/**
 * Counts rows in their experiments: each must be one that was stored now. Pure, and the sums are whole numbers, so that it does not
 * matter how rows are cut into batches. Everything comes in one order for everyone, in which its locks are then taken.
 *
 * Pinned sessions count in nothing. Mirrored calls are noted, and never counted: they are no traffic.
 * @param known the experiments that rows name; what it lacks is stored and counted in none
 */
export function countExperiments(
  rows: readonly InferenceRow[],
  known: ReadonlyMap<string, KnownExperiment>,
): ExperimentCounts {
  const units = new Map<string, UnitDelta>();
  const totals = new Map<string, TotalsDelta>();
  const inferences: CountedInference[] = [];
  const shadows: ShadowPair[] = [];
  for (const row of rows) {
    if (!concernsExperiments(row) || row.end.servedReason === 'pinned') continue;
    const unit = unitIdOf(row.begin.unit);
    const at = knows(known, row) ? row.begin.experiment : undefined;
    if (at !== undefined) inferences.push(countedInference(row, at, unit));
    if (row.begin.shadowOf !== undefined) shadows.push(shadowPair(row, row.begin.shadowOf, at, unit));
    else if (at !== undefined && row.end.servedReason !== 'shadow') count(units, totals, row, at, unit, known);
  }
  return {
    units: inOrder(units),
    totals: inOrder(totals),
    inferences: inferences.sort(byId),
    shadows: shadows.sort(byId),
  };
}

function count(
  units: Map<string, UnitDelta>,
  totals: Map<string, TotalsDelta>,
  row: InferenceRow,
  at: ExperimentPlace,
  unit: string,
  known: ReadonlyMap<string, KnownExperiment>,
): void {
  const { sums, latencyNs, firstTokenNs } = measure(row, known.get(at.id)!.ingest);
  const place = placeOf(row, at);
  const atMs = unixMsOfId(row.id);
  const armKey = `${at.id} ${at.phase} ${at.arm}`;
  const unitKey = `${armKey} ${unit}`;
  const ofUnit = units.get(unitKey);
  if (ofUnit === undefined) units.set(unitKey, { ...place, unit, firstAtMs: atMs, sums: { ...sums } });
  else {
    for (const column of SUM_COLUMNS) ofUnit.sums[column] += sums[column];
    ofUnit.firstAtMs = Math.min(ofUnit.firstAtMs, atMs);
  }
  let ofArm = totals.get(armKey);
  if (ofArm === undefined) {
    ofArm = { ...place, requests: 0, failures: 0, latency: {}, firstToken: {}, lastAtMs: atMs };
    totals.set(armKey, ofArm);
  }
  ofArm.requests += sums.requests;
  ofArm.failures += sums.failures;
  ofArm.lastAtMs = Math.max(ofArm.lastAtMs, atMs);
  if (latencyNs !== null) observe(ofArm.latency, latencyNs);
  if (firstTokenNs !== null) observe(ofArm.firstToken, firstTokenNs);
}

function placeOf({ begin }: InferenceRow, { id, phase, arm }: ExperimentPlace): Place {
  return { experimentId: id, phase, arm, organizationId: begin.organizationId };
}

function countedInference(row: InferenceRow, at: ExperimentPlace, unit: string): CountedInference {
  const { id, begin } = row;
  const correlation = at.correlation == null ? null : cleanText(at.correlation);
  return { ...placeOf(row, at), id, groupId: begin.groupId, unit, correlation, shadowOf: begin.shadowOf ?? null };
}

function shadowPair(
  { id, begin }: InferenceRow,
  inferenceId: string,
  at: ExperimentPlace | undefined,
  unit: string,
): ShadowPair {
  const { organizationId, groupId } = begin;
  const shadowVariant = cleanText(begin.assignedVariant);
  return { id, inferenceId, organizationId, groupId, experimentId: at?.id ?? null, shadowVariant, unit };
}

/** `md5(unit)::uuid` of the unit as the log holds it. */
function unitIdOf(unit: string): string {
  const hex = hash('md5', cleanText(unit));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function inOrder<Delta>(deltas: ReadonlyMap<string, Delta>): Delta[] {
  return [...deltas].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, delta]) => delta);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
