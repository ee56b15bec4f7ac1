import { SIGNATURE_ORIGINS, type Signature, type SignatureOrigin } from '../../chat/parts.ts';

/**
 * Signatures of models behind other providers, in fields that clients of this dialect hand back as they got them:
 * `rs1.<origin>.<value>`. A value without the prefix comes from the dialect's own provider, or from the one whose field it is.
 */
const CARRIED = /^rs1\.([a-z]+)\.(.*)$/s;

export function writeSignature({ origin, value }: Signature, own: SignatureOrigin): string {
  return origin === own ? value : `rs1.${origin}.${value}`;
}

export function readSignature(text: string, own: SignatureOrigin): Signature {
  const [, named, value] = CARRIED.exec(text) ?? [];
  const origin = SIGNATURE_ORIGINS.find((known) => known === named);
  return origin === undefined || value === undefined ? { origin: own, value: text } : { origin, value };
}
