/** One HTTP/1.1 request out of the bytes so far; null while it is not whole. Bodies have a length. */
export function headersOf(received: Buffer): {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} | null {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [line = '', ...lines] = received.toString('latin1', 0, end).split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const headers = Object.fromEntries(
    lines.map((text) => {
      const colon = text.indexOf(':');
      return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()];
    }),
  );
  const body = received.subarray(end + 4);
  return body.length < Number(headers['content-length'] ?? 0) ? null : { method, path, headers, body };
}
