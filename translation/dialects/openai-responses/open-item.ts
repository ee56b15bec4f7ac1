import type { PartHead } from '../../chat/events.ts';
import type { Citation, Signature } from '../../chat/parts.ts';
import type { JsonObject } from '../../chat/request.ts';
import type { ShownPart } from './items.ts';

type ShownHead =
  | Exclude<PartHead, { data: string }>
  | { readonly kind: 'image'; readonly mediaType: string; readonly data: string };

/** An item of a stream: announced, and not whole yet. */
export interface OpenItem {
  readonly head: ShownHead;
  readonly id: string;
  readonly callId: string;
  readonly outputIndex: number;
  readonly text: string[];
  readonly citations: Citation[];
  signature: Signature | null;
  redacted: Signature | null;
}

/** Null for what has no item. */
export function shownHead(head: PartHead): ShownHead | null {
  if (!('data' in head)) return head;
  return head.kind === 'audio' ? null : { kind: head.kind, mediaType: head.mediaType, data: head.data };
}

/** What has come of a part. */
export function partOf({ head, text, citations, signature, redacted }: OpenItem): ShownPart {
  const base = { at: '', cache: null };
  const whole = text.join('');
  switch (head.kind) {
    case 'text':
      return { ...base, type: 'text', text: whole, citations };
    case 'refusal':
      return { ...base, type: 'refusal', text: whole };
    case 'reasoning':
      return { ...base, type: 'reasoning', text: whole, signature, redacted };
    case 'tool_call':
      return { ...base, type: 'tool_call', id: head.id, name: head.name, arguments: whole, signature };
    case 'image': {
      const source = { kind: 'base64', mediaType: head.mediaType, data: head.data } as const;
      return { ...base, type: 'image', source, detail: null };
    }
    default:
      return head satisfies never;
  }
}

/** Where a message's only part is. */
export function placeOf({ id, outputIndex }: OpenItem): JsonObject {
  return { item_id: id, output_index: outputIndex, content_index: 0 };
}

export function summaryPlaceOf({ id, outputIndex }: OpenItem): JsonObject {
  return { item_id: id, output_index: outputIndex, summary_index: 0 };
}
