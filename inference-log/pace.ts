/** A share of one; each view is one cell that a serving thread writes. */
export type ServingLoad = readonly Float64Array[];

/** From here on a serving thread counts as busy. */
const BUSY_FROM = 0.5;
/** Milliseconds of rest per millisecond of work while serving is busy: shipping takes a quarter of its time then. */
const REST_PER_WORK = 3;
/** A backlog of this share of the spool's bound comes before latency: the bound must not be reached by resting. */
const URGENT_FROM = 0.25;

/**
 * How long shipping rests after `workedMs` of it. The spool takes what comes meanwhile: a burst is served first and shipped
 * behind it. Thread priorities alone do not do that: a process that is woken waits for the end of the other's slice.
 * @param busiest the highest utilisation of a serving thread, 0 to 1
 * @param backlogShare backlog / bound
 */
export function restMs(workedMs: number, busiest: number, backlogShare: number): number {
  return busiest < BUSY_FROM || backlogShare >= URGENT_FROM ? 0 : workedMs * REST_PER_WORK;
}

export function busiestOf(load: ServingLoad): number {
  return load.reduce((highest, cell) => Math.max(highest, cell[0]!), 0);
}
