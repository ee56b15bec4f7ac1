import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GROUP } from '../../peers/ringside/installation.ts';
import { type StartedRingside, startRingside } from '../../peers/ringside/peer.ts';
import { backlogBytes, untilStored } from '../log-backlog.ts';
import type { Field } from '../row.ts';
import { missed, runScheduled } from '../scheduled.ts';
import { chatBody } from '../side.ts';
import { type Backlog, writeBacklog } from './backlog.ts';
import type { ExchangeSource } from './exchanges.ts';

/** One round: the tail of the same load with nothing to catch up on, and while the shipper catches up. */
export interface ServedMeanwhile {
  readonly quietP99Ms: number;
  readonly drainingP99Ms: number;
}

const REQUESTS_PER_S = 1_000;
const CONNECTIONS = 32;
const PROMPT_BYTES = 1_000;
const LOAD_S = 5;
const QUICK_LOAD_S = 2;
/** More than the shipper stores while the load runs. */
const ROWS_PER_LOAD_S = 60_000;
const MAX_ROUNDS = 3;
/** The shipper looks for spools without an owner every 3 s. */
const ADOPTED_WITHIN_MS = 15_000;
const POLL_MS = 50;

export const SERVED_LOAD = `${REQUESTS_PER_S} small chats a second on schedule`;

/**
 * Serves on schedule in turns: with an empty spool, and while a spool that a dead gateway left behind is stored.
 * @throws when the backlog was not taken up, or was stored before the load ended
 */
export async function serveWhileDraining(field: Field): Promise<ServedMeanwhile[]> {
  const ours = await startRingside(field, {});
  try {
    const source = await sourceOf(ours);
    const seconds = field.quick ? QUICK_LOAD_S : LOAD_S;
    await p99UnderLoad(field, ours, seconds);
    const rounds: ServedMeanwhile[] = [];
    for (let round = 1; round <= Math.min(field.rounds, MAX_ROUNDS); round++) {
      await untilStored(ours.metricsUrl);
      const quietP99Ms = await p99UnderLoad(field, ours, seconds);
      await untilStored(ours.metricsUrl);
      const backlog = await writeBacklog(join(ours.dataFolder, 'spool'), ROWS_PER_LOAD_S * seconds, 1, source);
      await untilTakenUp(ours.metricsUrl);
      const drainingP99Ms = await p99UnderLoad(field, ours, seconds);
      if (!isThere(backlog)) throw new Error('the backlog was stored before the load ended');
      rounds.push({ quietP99Ms, drainingP99Ms });
      field.say(
        `P6 serving ${round}: p99 ${quietP99Ms.toFixed(2)} ms, ${drainingP99Ms.toFixed(2)} ms while a backlog drains`,
      );
    }
    return rounds;
  } finally {
    await ours.stop();
  }
}

/** Rows of the group that is served, so that they find their organization and their table. */
async function sourceOf({ installation }: StartedRingside): Promise<ExchangeSource> {
  const { body } = await installation.api('GET', `/groups/${GROUP}`, undefined);
  const { id } = body as { id: string };
  return { organizationId: installation.organizationId, groupIds: [id], keyId: randomUUID() };
}

async function p99UnderLoad(field: Field, { url, headers, model }: StartedRingside, seconds: number): Promise<number> {
  const result = await runScheduled({
    ...{ url, headers, seconds, core: field.otherCore, scratch: field.scratch },
    ...{ pace: { kind: 'constant', requestsPerS: REQUESTS_PER_S }, connections: CONNECTIONS },
    body: chatBody(model, PROMPT_BYTES),
  });
  const failures = missed(result);
  if (failures > 0) field.note(`P6: ${failures} of ${result.scheduled} requests without a good answer`);
  return result.p99Ms;
}

/** The shipper removes the folder of a spool once all of it is stored. */
function isThere({ root, spoolIds }: Backlog): boolean {
  return spoolIds.some((id) => existsSync(join(root, id)));
}

async function untilTakenUp(metricsUrl: string): Promise<void> {
  const deadline = performance.now() + ADOPTED_WITHIN_MS;
  while ((await backlogBytes(metricsUrl)) === 0) {
    if (performance.now() > deadline) throw new Error('the shipper did not take up the backlog');
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}
