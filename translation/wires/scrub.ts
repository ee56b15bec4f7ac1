const REDACTED = '[redacted]';
/** What may be an address: names, numbers and ports, `//` before them where they are a URL's. No step of it goes back. */
const WORD = /(?:\/\/)?[\w.:-]+/g;
/** RFC 1918, 6598, 3927, 1122. */
const PRIVATE_IPV4 =
  /^(?:(?:0|10|127)\.\d+|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.\d+\.\d+$/;
/** RFC 4291 and 4193: loopback, link-local, unique local. */
const PRIVATE_IPV6 = /^(?:::1|fe80:[0-9a-f:]*|f[cd][0-9a-f]{2}:[0-9a-f:]*)$/i;
/** Labels that only names inside of somebody's network have. */
const INTERNAL_LABEL = /(?:^|\.)(?:internal|intranet|local|localdomain|localhost|lan|corp|svc)(?:\.|$)/i;

/**
 * What an upstream says, fit for a caller: without the secrets of the target, and without addresses that mean something in the network
 * only in which it runs (private ones, names of one label in URLs, names with labels such as `internal` and `svc`).
 */
export function scrub(text: string, secrets: readonly string[]): string {
  const clean = secrets.reduce((said, secret) => said.replaceAll(secret, REDACTED), text);
  return clean.replace(WORD, (word) => (isInternal(word) ? REDACTED : word));
}

function isInternal(word: string): boolean {
  const isOfUrl = word.startsWith('//');
  const address = word.slice(isOfUrl ? 2 : 0).replace(/[.:-]+$/, '');
  if (PRIVATE_IPV6.test(address)) return true;
  const [host = ''] = address.split(':', 1);
  // A word alone is no address, but in a URL.
  if (!host.includes('.')) return host === 'localhost' || (isOfUrl && host !== '');
  return PRIVATE_IPV4.test(host) || INTERNAL_LABEL.test(host);
}
