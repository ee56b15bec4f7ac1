import { type EValue, eValueOf } from '../statistics/e-value.ts';
import { wilson } from '../statistics/intervals.ts';
import { oneArmRateE } from '../statistics/rate.ts';
import type { ChampionHistory, ExperimentDefinition } from './definition.ts';
import type { PhaseUnits } from './look.ts';
import { partOfAlpha } from './phase-alpha.ts';

/** What is known besides counts, where a challenger serves (almost) alone. */
export interface AloneFacts {
  readonly history: ChampionHistory | null;
  /** `error_rate` may be so much worse, see `errorMargin`. */
  readonly margin: ErrorMargin;
  readonly atMs: number;
}

export interface ErrorMargin {
  readonly relative: boolean;
  readonly margin: number;
}

/** Of the champion's and the challenger's buckets, those of the champion: below it two arms tell too little, too late. */
const COMPARABLE_SHARE = 0.1;
/** The champion's share of failing units is taken to be at most the upper end of its Wilson interval at this level, two-sided. */
const HISTORY_ALPHA = 0.01;
/** Nobody is taken to fail more rarely: a history without a failure does not make the first one impossible. */
const LEAST_SHARE = 0.001;
/** Fewer prove nothing, whatever the arithmetic: what was is no control, and the first calls of a model that is new may fail. */
const MIN_FAILING_UNITS = 5;

/** Whether so few of the champion's buckets are beside a challenger's that it is judged as if it were alone. */
export function isAlone(championBp: number, challengerBp: number): boolean {
  return challengerBp > 0 && championBp < COMPARABLE_SHARE * (championBp + challengerBp);
}

/** How much worse the definition lets the error rate be; 0 where it says nothing. */
export function errorMargin({ guardrails }: Pick<ExperimentDefinition, 'guardrails'>): ErrorMargin {
  const { relative, margin } = guardrails.find(({ metric }) => metric === 'error_rate') ?? {
    relative: false,
    margin: 0,
  };
  return { relative, margin };
}

/** Evidence of one phase in which a challenger is alone. */
export interface AloneEvidence extends EValue {
  readonly allowedShare: number;
  readonly history: ChampionHistory;
}

/**
 * Method (2) of the statistics with one arm: the challenger's failing units against a share p₀ that is the champion's own, by the
 * e-process whose prior is truncated to (p₀, 1]. p₀ is an upper bound of the champion's share of failing units before the start, and the
 * margin that the definition gives `error_rate` comes on top.
 *
 * A unit counts as failing from its first failure on, so that the share grows with the time in which units come back. The history tells
 * it of a time w, the longest that it covers. Within w from the beginning of the phase that is a bound at every moment: whoever will
 * have failed by w fails with a chance of at most p₀, and who has failed already is among them; the e-value grows with each. After
 * k·w it is k·p₀ (the chance to fail in one of k such times is at most k times that of one). Each k has a part of α, as phases have.
 *
 * Other than two arms it takes an outage that strikes everybody for the challenger's fault.
 * @returns null where the history tells nothing
 */
export function aloneEvidence(phase: PhaseUnits, arm: number, facts: AloneFacts): AloneEvidence | null {
  const { history } = facts;
  const allowedShare = allowedNow(phase, facts);
  if (history === null || allowedShare === null) return null;
  const windows = windowsOf(phase, history, facts.atMs);
  const [n, events] = [phase.units[arm] ?? 0, phase.failingUnits[arm] ?? 0];
  if (events < MIN_FAILING_UNITS) return { ...eValueOf(0), allowedShare, history };
  const found = oneArmRateE({ events, n, p0: allowedShare, side: 'greater' });
  if (found.kind === 'refused') throw new RangeError(`failing units alone: ${found.field} ${found.reason}`);
  return { ...eValueOf(found.logEValue + Math.log(partOfAlpha(windows - 1))), allowedShare, history };
}

/** The share of failing units that is no evidence at this moment of a phase; null: nothing would be evidence. */
export function allowedNow(phase: PhaseUnits, facts: AloneFacts): number | null {
  return facts.history === null ? null : allowedShareOf(facts, windowsOf(phase, facts.history, facts.atMs));
}

/** How many times the length of the history the phase has lasted, rounded up. */
function windowsOf({ startedAtMs }: PhaseUnits, { windowMs }: ChampionHistory, atMs: number): number {
  return Math.max(1, Math.ceil((atMs - (startedAtMs ?? atMs)) / windowMs));
}

/** p₀ for so many times the length of the history; null: there is none, or it would allow everything. */
export function allowedShareOf({ history, margin }: AloneFacts, windows = 1): number | null {
  if (history === null || history.units === 0) return null;
  const bounds = wilson({ n: history.units, events: history.failingUnits }, HISTORY_ALPHA);
  if (bounds.kind === 'refused') throw new RangeError(`the champion's history: ${bounds.field} ${bounds.reason}`);
  const own = Math.max(LEAST_SHARE, bounds.upper) * windows;
  const allowed = margin.relative ? own * (1 + margin.margin) : own + margin.margin;
  return allowed < 1 ? allowed : null;
}
