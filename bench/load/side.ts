import type { StartedPeer } from '../peers/peer.ts';
import type { Field } from './row.ts';

/** Something that load can be sent to: Ringside, a peer, or the upstream itself. */
export interface Target extends Pick<StartedPeer, 'url' | 'headers' | 'model' | 'settle'> {
  readonly name: string;
}

/** Gives a gateway time to finish what the last load left behind, so that the next one does not share its core with that. */
export async function settled(
  field: Pick<Field, 'note'>,
  { name, settle }: Pick<Target, 'name' | 'settle'>,
): Promise<void> {
  const isSettled = await settle?.().catch((error: unknown) => String(error));
  if (isSettled === undefined || isSettled === true) return;
  const why = isSettled === false ? '' : ` (${isSettled})`;
  field.note(`${name} had not finished the work of its last load when the next gateway had its turn${why}`);
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
