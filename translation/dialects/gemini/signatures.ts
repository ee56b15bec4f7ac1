import { SIGNATURE_ORIGINS, type Signature } from '../../chat/parts.ts';

/**
 * Signatures of other providers travel in `thoughtSignature` as `rs1.<origin>.<value>` (`rs1r.` where the value is the encrypted thoughts
 * themselves). The field is `bytes`, which SDKs decode: so it is written in base64, and read in either alphabet of it.
 */
const PACKED = new RegExp(`^rs1(r?)\\.(${SIGNATURE_ORIGINS.join('|')})\\.(.+)$`, 's');
/** `rs1` in base64. */
const PACKED_START = 'cnMx';

export function packSignature({ origin, value }: Signature, isRedacted: boolean): string {
  if (origin === 'google' && !isRedacted) return value;
  return Buffer.from(`rs1${isRedacted ? 'r' : ''}.${origin}.${value}`).toString('base64');
}

export function unpackSignature(text: string): { readonly signature: Signature; readonly isRedacted: boolean } {
  const match = text.startsWith(PACKED_START) ? PACKED.exec(Buffer.from(text, 'base64').toString('utf8')) : null;
  if (match === null) return { signature: { origin: 'google', value: text }, isRedacted: false };
  const [, redacted, origin, value] = match;
  const known = SIGNATURE_ORIGINS.find((name) => name === origin);
  return { signature: { origin: known ?? 'google', value: value ?? '' }, isRedacted: redacted === 'r' };
}
