import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bifrost } from '../../peers/bifrost/peer.ts';
import { litellm } from '../../peers/litellm/peer.ts';
import { nginx } from '../../peers/nginx/peer.ts';
import type { Peer, StartedPeer } from '../../peers/peer.ts';
import { portkey } from '../../peers/portkey/peer.ts';
import { ringside } from '../../peers/ringside/peer.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { measureBursts } from '../streams/bursts.ts';
import { allowStreams } from '../streams/file-limit.ts';
import { measureLatency } from '../streams/latency.ts';
import { measureMemory } from '../streams/memory.ts';
import { runClient, startStreamer } from '../streams/start.ts';
import type { StreamTarget } from '../streams/target.ts';

/** Peers that this family can start in front of its streamer. */
const PEERS: readonly Peer[] = [nginx, portkey, litellm, bifrost];
const PROBE_SECONDS = 1;

/** P4: what a gateway adds to the tokens of paced streams, what open streams cost, and whole answers in one burst. */
export const streams: RowFamily = {
  id: 'P4',
  title: 'streams: first token, gaps between tokens, memory of open streams, bursts',
  async measure(field) {
    const stops: (() => Promise<void>)[] = [];
    try {
      // Before anything is started: the limit is inherited.
      const wanted = field.quick ? 2_000 : 10_000;
      const possible = await allowStreams(wanted);
      const streamer = await startStreamer(field.otherCore);
      stops.push(() => streamer.stop());
      if (!streamer.isAhead)
        field.note('P4: no privilege to put client and streamer ahead of the other processes on their core');
      const start = (peer: Peer) => startBefore(peer, streamer.url, field, stops);
      const ours = { name: 'ringside', ...(await start(ringside)) };
      const { peers, remark } = await startPeers(field, start);
      const direct = { name: 'direct', url: `${streamer.url}/v1/chat/completions`, headers: {}, model: 'bench' };
      const targets: readonly StreamTarget[] = [direct, ours, ...peers];
      const lines: Line[] = [
        ...(await measureLatency(field, targets, streamer.pid)),
        // Before the bursts, which leave garbage and a backlog of the log behind.
        await measureMemory(field, ours, { wanted, possible }),
        ...(await measureBursts(field, targets)),
      ];
      return remark === null ? lines : lines.map((line) => ({ ...line, remark: joinRemarks(line.remark, remark) }));
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  },
};

async function startBefore(
  peer: Peer,
  upstreamUrl: string,
  field: Field,
  stops: (() => Promise<void>)[],
): Promise<StartedPeer> {
  // A folder of its own: the field's instance of the same peer is running.
  const scratch = join(field.scratch, `streams-${peer.name}`);
  await mkdir(scratch, { recursive: true });
  const started = await peer.start({ upstreamUrl, core: field.core, otherCore: field.otherCore, scratch });
  stops.push(() => started.stop());
  return started;
}

/** Starts the peers of the field; one that cannot pass on a stream is said and left out. */
async function startPeers(
  field: Field,
  start: (peer: Peer) => Promise<StartedPeer>,
): Promise<{ peers: StreamTarget[]; remark: string | null }> {
  const peers: StreamTarget[] = [];
  const remarks: string[] = [];
  for (const { name } of field.peers) {
    const peer = PEERS.find((candidate) => candidate.name === name);
    if (peer === undefined) {
      field.note(`P4: ${name} is not measured with streams`);
      continue;
    }
    const target = { name, ...(await start(peer)) };
    const failure = await probe(target, field);
    if (failure === null) {
      peers.push(target);
      continue;
    }
    remarks.push(`${name} fails every stream`);
    field.note(`P4: ${name} fails every stream: ${failure}`);
  }
  return { peers, remark: remarks.length === 0 ? null : remarks.join('; ') };
}

/** Why a peer cannot pass on streams; null when it can. */
async function probe(target: StreamTarget, field: Field): Promise<string | null> {
  const { failed, reasons } = await runClient(
    {
      ...target,
      pace: { kind: 'paced', tokens: 5, gapMs: 50, firstMs: 20 },
      streams: 2,
      rampPerS: 100,
      settleMs: 100,
      seconds: PROBE_SECONDS,
    },
    field.otherCore,
    () => undefined,
  );
  return failed === 0 ? null : reasons[0]!.replaceAll(/\s+/g, ' ').slice(0, 200);
}

function joinRemarks(...remarks: (string | undefined)[]): string {
  return remarks.filter((remark) => remark !== undefined).join('; ');
}
