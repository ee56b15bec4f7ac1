import type { Field, Line } from '../row.ts';
import { settled } from '../side.ts';
import { median } from '../statistics.ts';
import { runClient } from './start.ts';
import { noteFaults, peersOf, type StreamTarget } from './target.ts';

const EVENTS = 200;
const CONNECTIONS = 32;
const WARM_UP_SECONDS = 2;

/** Whole answers of 200 events that come in one piece: what the reading of a stream costs. */
export async function measureBursts(field: Field, targets: readonly StreamTarget[]): Promise<Line[]> {
  const rates = new Map<string, number[]>(targets.map(({ name }) => [name, []]));
  for (let round = 0; round <= field.rounds; round++) {
    for (const target of targets) {
      const { name, url, headers, model } = target;
      const seconds = round === 0 ? WARM_UP_SECONDS : field.seconds;
      const pace = { kind: 'burst', tokens: EVENTS } as const;
      const run = { url, headers, model, pace, streams: CONNECTIONS, rampPerS: 1_000, settleMs: 200, seconds };
      const result = await runClient(run, field.otherCore, () => undefined);
      noteFaults(field, `${name}, bursts, round ${round}`, result);
      await settled(field, target);
      if (round === 0) continue;
      rates.get(name)!.push(result.endedPerS);
      field.say(`P4 ${name.padEnd(9)} ${result.endedPerS.toFixed(0)} bursts/s`);
    }
  }
  const rate = (name: string) => median(rates.get(name)!);
  const ours = rate('ringside');
  const line: Line = {
    row: 'P4',
    what: `${EVENTS}-event answer as one burst, ${CONNECTIONS} connections`,
    unit: 'streams/s',
    ours,
    peer: null,
    compared: null,
    target: null,
    remark: `${rate('direct').toFixed(0)} streams/s without a gateway`,
  };
  const peers = peersOf(targets);
  if (peers.length === 0) return [line];
  return peers.map(({ name }) => ({ ...line, peer: { name, value: rate(name) }, compared: ours / rate(name) }));
}
