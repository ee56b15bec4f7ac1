import { createHmac } from 'node:crypto';
import { envelopeContext, type Keyring, open, seal } from '#core/envelope.ts';
import type { Entropy } from '../entropy.ts';

/** What secret scanners can search for; the rest is 256 random bits in base64url. */
const PREFIX = 'rsw_';

/** What a rollout's calls are signed with: in plain for the only time, and as `rollouts.secrets` keeps it. */
export function makeWebhookSecret(
  deps: { readonly keyring: Keyring; readonly entropy: Entropy },
  organizationId: string,
  rolloutId: string,
): { readonly secret: string; readonly envelope: string } {
  const secret = PREFIX + Buffer.from(deps.entropy.bytes(32)).toString('base64url');
  const context = envelopeContext(organizationId, 'rollouts', rolloutId);
  const plaintext = JSON.stringify({ webhook: secret });
  return { secret, envelope: seal(deps.keyring, context, plaintext, deps.entropy.bytes(12)) };
}

/** @throws when the envelope does not open */
export function openWebhookSecret(
  keyring: Keyring,
  organizationId: string,
  rolloutId: string,
  envelope: string,
): string {
  const context = envelopeContext(organizationId, 'rollouts', rolloutId);
  return (JSON.parse(open(keyring, context, envelope)) as { webhook: string }).webhook;
}

/**
 * The value of `x-ringside-signature`: `t=<Unix seconds>,v1=<HMAC-SHA-256 of "t.body" with the secret's text, in hexadecimal>`.
 * The time is signed too, so that an old call cannot be sent again.
 */
export function signatureOf(secret: string, unixSeconds: number, body: string): string {
  const digest = createHmac('sha256', secret).update(`${unixSeconds}.${body}`).digest('hex');
  return `t=${unixSeconds},v1=${digest}`;
}
