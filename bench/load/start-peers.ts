import { bifrost } from '../peers/bifrost/peer.ts';
import { litellm } from '../peers/litellm/peer.ts';
import { nginx } from '../peers/nginx/peer.ts';
import type { Peer, PeerOptions, StartedPeer } from '../peers/peer.ts';
import { portkey } from '../peers/portkey/peer.ts';
import { chatBody } from './side.ts';
import { ANSWER_CONTENT } from './upstream.ts';

const PEERS: readonly Peer[] = [nginx, portkey, litellm, bifrost];
const CHECK_WITHIN_MS = 30_000;

export interface RunningPeer {
  readonly name: string;
  readonly version: string;
  readonly started: StartedPeer;
}

/** Starts a peer and checks one answer of it. @returns the reason when it cannot take part */
export async function startPeer(name: string, options: PeerOptions): Promise<RunningPeer | string> {
  const peer = PEERS.find((candidate) => candidate.name === name);
  if (peer === undefined) return `unknown; there are ${PEERS.map((known) => known.name).join(', ')}`;
  try {
    const missing = await peer.missing();
    if (missing !== undefined) return `missing: ${missing}`;
    const version = await peer.version();
    const started = await peer.start(options);
    try {
      await checkAnswer(started);
    } catch (error) {
      await started.stop();
      return `started, but ${String(error)}`;
    }
    return { name, version, started };
  } catch (error) {
    return `could not be started: ${String(error)}`;
  }
}

/** Sends one chat. @throws unless the answer is a 200 with what the upstream said */
export async function checkAnswer({ url, headers, model }: StartedPeer): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: chatBody(model, 100),
    signal: AbortSignal.timeout(CHECK_WITHIN_MS),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`it answers ${answer.status}: ${text.slice(0, 300)}`);
  if (contentOf(text) !== ANSWER_CONTENT) throw new Error(`its answer is not the upstream's: ${text.slice(0, 300)}`);
}

function contentOf(text: string): unknown {
  const answer = JSON.parse(text) as { choices?: { message?: { content?: unknown } }[] };
  return answer.choices?.[0]?.message?.content;
}
