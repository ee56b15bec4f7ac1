import type { ControlApi } from '../control-api.ts';
import { type Rollout, type Transition, transitionLine } from './view.ts';

export interface WatchCall {
  readonly api: ControlApi;
  /** `/rollouts/<id or name>` */
  readonly path: string;
  readonly json: boolean;
  readonly print: (line: string) => void;
  readonly everyMs?: number;
}

const EVERY_MS = 1_000;
const PAGE = '200';

/**
 * Prints each step of a rollout, first those that it has taken, and what it waits for where that changes, until it has ended.
 * @returns the rollout at its end
 */
export async function watchRollout({ api, path, json, print, everyMs = EVERY_MS }: WatchCall): Promise<Rollout> {
  let lastId = 0;
  let lastWait = '';
  for (;;) {
    // The rollout first: steps that come between the two are told at the next round, and none is after an end.
    const rollout = await api.get<Rollout>(path);
    for (const transition of await stepsSince(api, rollout.id, lastId)) {
      print(json ? JSON.stringify(transition) : transitionLine(transition));
      lastId = transition.id;
    }
    if (rollout.endedAt !== null) return rollout;
    if (!json && rollout.waitsFor !== lastWait) print(`  waits for: ${rollout.waitsFor}`);
    lastWait = rollout.waitsFor;
    await new Promise((wake) => setTimeout(wake, everyMs));
  }
}

/** Oldest first. */
async function stepsSince(api: ControlApi, id: string, lastId: number): Promise<Transition[]> {
  const found: Transition[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.get<{ items: Transition[]; nextCursor: string | null }>(`/rollouts/${id}/transitions`, {
      limit: PAGE,
      cursor,
    });
    const fresh = page.items.filter((transition) => transition.id > lastId);
    found.push(...fresh);
    if (page.nextCursor === null || fresh.length < page.items.length) return found.toReversed();
    cursor = page.nextCursor;
  }
}
