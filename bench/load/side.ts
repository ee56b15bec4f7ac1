import type { StartedPeer } from '../peers/peer.ts';
import type { Field } from './row.ts';

/** Something that load can be sent to: Ringside, a peer, or the upstream itself. */
export interface Target extends Pick<StartedPeer, 'url' | 'headers' | 'model'> {
  readonly name: string;
}

export const OURS = 'ringside';
export const DIRECT = 'direct';

/** Ringside and the peers, in the order asked for. */
export function gatewaysOf(field: Field): Target[] {
  return [{ name: OURS, ...field.ringside }, ...field.peers.map(({ name, started }) => ({ name, ...started }))];
}

/** The upstream without a gateway. */
export function directTo(field: Field): Target {
  return { name: DIRECT, url: `${field.upstreamUrl}/v1/chat/completions`, headers: {}, model: 'bench' };
}

const LINE = 'Lorem ipsum "dolor" sit amet.\n';

/** A chat request whose prompt has so many bytes. */
export function chatBody(model: string, promptBytes: number): string {
  const content = LINE.repeat(Math.ceil(promptBytes / LINE.length)).slice(0, promptBytes);
  return JSON.stringify({ model, messages: [{ role: 'user', content }] });
}
