import type { Installation } from '../peers/ringside/installation.ts';
import type { StartedRingside } from '../peers/ringside/peer.ts';
import { missed, runScheduled, type ScheduledResult } from './scheduled.ts';
import { chatBody } from './side.ts';
import { runClient, startStreamer } from './streams/start.ts';
import type { ClientResult } from './streams/tally.ts';

/** What a soak puts on a gateway all the time. */
export interface SoakLoad {
  readonly requestsPerS: number;
  readonly streams: number;
  readonly seconds: number;
  readonly core: number;
  readonly scratch: string;
}

export interface SoakResult {
  readonly chats: ScheduledResult;
  readonly streams: ClientResult;
}

const STREAM_GROUP = 'soak-streams';
const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;
/** Each stream takes 10 s, and the next one follows it. */
const STREAM_PACE = { kind: 'paced', tokens: 50, gapMs: 200, firstMs: 100 } as const;

/** Starts an upstream for streams. `prepare` makes a group that goes to it. */
export async function startStreamUpstream(core: number) {
  const streamer = await startStreamer(core);
  return {
    stop: () => streamer.stop(),
    async prepare({ api }: Installation): Promise<void> {
      const provider = { name: 'streamer', kind: 'openai', baseUrl: `${streamer.url}/v1`, apiKey: 'sk-bench' };
      await api('POST', '/providers', provider);
      await api('POST', '/models', { name: 'streamed', provider: 'streamer', upstreamModel: 'bench' });
      await api('POST', '/groups', { name: STREAM_GROUP });
      const variants = [{ model: 'streamed', role: 'champion', weightBp: 10_000 }];
      await api('PUT', `/groups/${STREAM_GROUP}/variants`, variants);
    },
  };
}

/** Small chats on schedule and paced streams, side by side until both have ended. */
export async function runSoakLoad({ url, headers, model }: StartedRingside, load: SoakLoad): Promise<SoakResult> {
  const { requestsPerS, seconds, core, scratch } = load;
  const streamRun = { pace: STREAM_PACE, streams: load.streams, rampPerS: 10, settleMs: 0, seconds };
  const [chats, streams] = await Promise.all([
    runScheduled({
      ...{ url, headers, body: chatBody(model, PROMPT_BYTES), connections: CONNECTIONS },
      ...{ pace: { kind: 'constant', requestsPerS }, seconds, core, scratch },
    }),
    runClient({ url, headers, model: STREAM_GROUP, ...streamRun }, core, () => undefined),
  ]);
  return { chats, streams };
}

/** What a reader wants to know first. */
export function summarize({ chats, streams }: SoakResult): string[] {
  return [
    `${chats.answered} of ${chats.scheduled} chats answered, ${missed(chats)} not; p50 ${chats.p50Ms.toFixed(2)} ms, p99 ${chats.p99Ms.toFixed(2)} ms`,
    `${streams.ended} streams ended whole, ${streams.failed} failed, ${streams.lost} tokens lost`,
  ];
}
