import { SIGNATURE_ORIGINS, type Signature } from '../../chat/parts.ts';

/** Before the signature of another provider: Anthropic's own are base64, so that none begins so. */
const FOREIGN = /^rs1\.([a-z]+)\.(.*)$/s;

/** A signature as it stands in `thinking.signature` or `redacted_thinking.data`. */
export function writeSignature({ origin, value }: Signature): string {
  return origin === 'anthropic' ? value : `rs1.${origin}.${value}`;
}

export function readSignature(text: string): Signature {
  const foreign = FOREIGN.exec(text);
  const origin = SIGNATURE_ORIGINS.find((known) => known === foreign?.[1]);
  return origin === undefined ? { origin: 'anthropic', value: text } : { origin, value: foreign![2]! };
}
