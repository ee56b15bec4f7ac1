import { SIGNATURE_ORIGINS, type Signature, type SignatureOrigin } from '../../chat/parts.ts';

/**
 * `encrypted_content` of a reasoning item is this dialect's only opaque place. A value of OpenAI's own stands there as it is; one of
 * another origin says what it was:
 *
 *     rs1.<origin>.<value>                      the signature of the item's summary
 *     rs1r.<origin>.<value>                     encrypted thoughts, instead of a text
 *     rs1c.<origin>.<call id, base64url>.<value>  the signature of a function call: it names the call, because parallel calls may
 *                                               finish in any order and clients may move items
 */
export type Carried =
  | { readonly kind: 'signature' | 'redacted'; readonly signature: Signature }
  | { readonly kind: 'call'; readonly callId: string; readonly signature: Signature };

const OWN: SignatureOrigin = 'openai';
const CARRIED = /^rs1([rc]?)\.([a-z]+)\.(.*)$/s;

/** What `encrypted_content` is to hold. */
export function carry(carried: Carried): string {
  const { origin, value } = carried.signature;
  switch (carried.kind) {
    case 'signature':
      return origin === OWN ? value : `rs1.${origin}.${value}`;
    case 'redacted':
      return origin === OWN ? value : `rs1r.${origin}.${value}`;
    case 'call':
      return `rs1c.${origin}.${Buffer.from(carried.callId).toString('base64url')}.${value}`;
    default:
      return carried satisfies never;
  }
}

/** What `encrypted_content` holds; `hasText`: the item shows a summary or a text beside it. */
export function readCarried(content: string, hasText: boolean): Carried {
  const [, mark, name, value = ''] = CARRIED.exec(content) ?? [];
  const origin = SIGNATURE_ORIGINS.find((known) => known === name);
  if (origin === undefined) {
    return { kind: hasText ? 'signature' : 'redacted', signature: { origin: OWN, value: content } };
  }
  if (mark !== 'c') return { kind: mark === 'r' ? 'redacted' : 'signature', signature: { origin, value } };
  const dot = value.indexOf('.');
  const callId = Buffer.from(value.slice(0, dot), 'base64url').toString('utf8');
  return { kind: 'call', callId, signature: { origin, value: value.slice(dot + 1) } };
}
