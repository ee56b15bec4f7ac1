import { drawText, hashText, type Random } from '../../random.ts';

const MARK = 'Sim';

/** Opaque text in the place of encrypted thoughts. It proves its own origin, and nothing of what it stands for. */
export function sign(random: Random): string {
  const nonce = drawText(random, 40);
  return `${MARK}${nonce}${checksum(nonce)}==`;
}

export function isSigned(signature: string): boolean {
  const match = /^Sim([A-Za-z0-9]{40})([0-9a-f]+)==$/.exec(signature);
  return match !== null && checksum(match[1]!) === match[2];
}

function checksum(nonce: string): string {
  return hashText(nonce).toString(16);
}
