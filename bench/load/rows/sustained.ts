import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startRingside } from '../../peers/ringside/peer.ts';
import { absoluteLine } from '../lines.ts';
import { SETTLED_MS, untilStored } from '../log-backlog.ts';
import type { Field, RowFamily } from '../row.ts';
import { chatBody } from '../side.ts';
import { median } from '../statistics.ts';
import { runWrk } from '../wrk.ts';

const LOAD_S = 10;
const QUICK_LOAD_S = 3;
const MAX_ROUNDS = 3;
const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;

/** The rate that can go on for ever with all of ours on one core: the time that the log takes to reach PostgreSQL counts. */
export const sustained: RowFamily = {
  id: 'all-in',
  title: 'small chats with everything of ours on one core, until the last row is stored',
  async measure(field) {
    const scratch = join(field.scratch, 'sustained');
    await mkdir(scratch, { recursive: true });
    const { upstreamUrl, core } = field;
    const ours = await startRingside({ upstreamUrl, core, otherCore: core, scratch }, {});
    try {
      const load = (seconds: number) =>
        runWrk({
          ...{ url: ours.url, headers: ours.headers, seconds, connections: CONNECTIONS },
          ...{ core: field.otherCore, scratch: field.scratch, body: chatBody(ours.model, PROMPT_BYTES) },
        });
      await load(QUICK_LOAD_S);
      await untilStored(ours.metricsUrl);
      const sustainedRates: number[] = [];
      const momentaryRates: number[] = [];
      for (let round = 1; round <= Math.min(field.rounds, MAX_ROUNDS); round++) {
        const startMs = performance.now();
        const { requests, requestsPerS, failures } = await load(field.quick ? QUICK_LOAD_S : LOAD_S);
        await untilStored(ours.metricsUrl);
        sustainedRates.push((requests * 1000) / (performance.now() - startMs - SETTLED_MS));
        momentaryRates.push(requestsPerS);
        sayRound(field, round, sustainedRates.at(-1)!, requestsPerS, failures);
      }
      return [
        absoluteLine({
          row: 'all-in',
          what: 'small chat, 64 connections, gateway, shipper, PostgreSQL and control plane on one core, until all is stored',
          unit: 'req/s',
          ours: sustainedRates,
          target: null,
          remark: `${median(momentaryRates).toFixed(0)} req/s while the load ran`,
        }),
      ];
    } finally {
      await ours.stop();
    }
  },
};

function sayRound(field: Field, round: number, rate: number, momentary: number, failures: number): void {
  field.say(`all-in ${round}: ${rate.toFixed(0)} req/s, ${momentary.toFixed(0)} while the load ran`);
  if (failures > 0) field.note(`all-in round ${round}: ${failures} requests without a good answer`);
}
