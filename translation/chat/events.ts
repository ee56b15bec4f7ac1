import type { Citation, Signature } from './parts.ts';
import type { ChatUsage, FinishReason, TokenLogprob } from './reply.ts';

/**
 * A streamed answer, event by event.
 *
 *   start ─▶ (begin ─▶ delta* ─▶ close)* ─▶ finish (per candidate) ─▶ usage? ─▶ end
 *       └──────────────── error, at any time ────────────────▶ (nothing follows)
 *
 * Parts of a candidate are numbered from 0 in the order in which they begin, and never begin twice. Parts may be open at the same
 * time (some servers send the fragments of parallel tool calls in turns); a dialect that allows one open part only has to hold
 * back. `close` comes for every part, before the candidate's `finish`; readers send it themselves where the provider has no such event.
 * Usage that comes in several events is merged by the reader: at most one `usage` event, as late as the provider allows; readers that
 * know the input's size at the start say it in `start`.
 */
export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id: string | null;
      readonly model: string | null;
      readonly usage: ChatUsage | null;
    }
  | ({ readonly type: 'begin'; readonly candidate: number; readonly part: number } & PartHead)
  | ({ readonly type: 'delta'; readonly candidate: number; readonly part: number } & PartDelta)
  | { readonly type: 'close'; readonly candidate: number; readonly part: number }
  | {
      readonly type: 'finish';
      readonly candidate: number;
      readonly finish: FinishReason;
      readonly rawFinish: string | null;
      readonly stopSequence: string | null;
    }
  | { readonly type: 'logprobs'; readonly candidate: number; readonly logprobs: readonly TokenLogprob[] }
  | { readonly type: 'usage'; readonly usage: ChatUsage }
  /** The provider said that it goes on (a ping): the caller's connection wants a sign of life, too. */
  | { readonly type: 'alive' }
  | { readonly type: 'end' }
  /** The provider put an error into its stream: its status if it has one, and its body, for the provider's `readError`. */
  | { readonly type: 'error'; readonly status: number | null; readonly body: Buffer };

export type PartHead =
  | { readonly kind: 'text' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'reasoning' }
  | {
      readonly kind: 'tool_call';
      readonly id: string | null;
      readonly name: string;
    }
  /** Comes whole. */
  | { readonly kind: 'image' | 'audio'; readonly mediaType: string; readonly data: string };

export type PartDelta =
  /** More text of a text, refusal or reasoning part; more JSON of a tool call's arguments. Never empty. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'citation'; readonly citation: Citation }
  /** Of a reasoning or tool call part; `redacted`: the part is encrypted, this is all of it. */
  | { readonly kind: 'signature'; readonly signature: Signature; readonly redacted: boolean };
