import { absoluteLine } from '../lines.ts';
import type { Line, RowFamily } from '../row.ts';
import { runScheduled } from '../scheduled.ts';
import { chatBody } from '../side.ts';
import { median } from '../statistics.ts';
import { runWrk } from '../wrk.ts';

const PROMPT_BYTES = 1_000;
const PEAK_CONNECTIONS = 64;
/** So many requests at most are in the gateway at a time; the rest of what is offered waits before it, and that counts. */
const OVERLOAD_CONNECTIONS = 1_000;
const FACTOR = 3;

/** P9: three times what it can take. */
export const overload: RowFamily = {
  id: 'P9',
  title: 'goodput at three times the peak rate',
  async measure(field) {
    const { url, headers, model } = field.ringside;
    const load = { url, headers, body: chatBody(model, PROMPT_BYTES), core: field.otherCore, scratch: field.scratch };
    const peaks: number[] = [];
    const goodputs: number[] = [];
    const shares: number[] = [];
    const p99s: number[] = [];
    let refused = 0;
    for (let round = 0; round <= field.rounds; round++) {
      const { requestsPerS: peak } = await runWrk({ ...load, connections: PEAK_CONNECTIONS, seconds: field.seconds });
      const pace = { kind: 'constant', requestsPerS: Math.max(1, Math.round(FACTOR * peak)) } as const;
      const run = { ...load, pace, connections: OVERLOAD_CONNECTIONS, seconds: field.seconds };
      const result = await runScheduled(run);
      field.say(
        `P9 ${round}/${field.rounds}: peak ${peak.toFixed(0)} req/s, of ${pace.requestsPerS} offered ${result.answeredPerS.toFixed(0)} answered, p99 ${result.p99Ms.toFixed(0)} ms`,
      );
      if (round === 0) continue; // warms up
      if (result.failed > 0) field.note(`P9 round ${round}: ${result.failed} requests failed`);
      peaks.push(peak);
      goodputs.push(result.answeredPerS);
      shares.push(result.answeredPerS / peak);
      p99s.push(result.p99Ms);
      refused += result.refused;
    }
    const conditions = `small chat, ${FACTOR} × peak for ${field.seconds} s`;
    const remark = `not yet: overload shedding (${refused} refused)`;
    const goodput: Line = {
      ...absoluteLine({
        row: 'P9',
        what: `${conditions}: goodput`,
        unit: 'req/s',
        ours: goodputs,
        target: null,
        remark,
      }),
      peer: { name: 'own peak', value: median(peaks) },
      compared: median(shares),
      target: { atLeast: 0.9 },
    };
    const bounded = `${conditions}: p99 from the scheduled moment, of what was admitted and of what never got an answer`;
    return [goodput, absoluteLine({ row: 'P9', what: bounded, unit: 'ms', ours: p99s, target: null, remark })];
  },
};
