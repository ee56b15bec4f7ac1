/** Says on stderr how far an export is: in place on a terminal, a line now and then elsewhere. */
export interface Progress {
  report(rows: number, bytes: number, at: string | null): void;
  end(): void;
}

interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const TERMINAL_EVERY_MS = 200;
const FILE_EVERY_MS = 5_000;

export function createProgress(terminal: Terminal, nowMs: () => number, sinceMs: number | undefined): Progress {
  const inPlace = terminal.isTTY === true;
  const startMs = nowMs();
  let nextMs = startMs + (inPlace ? 0 : FILE_EVERY_MS);
  let newestMs: number | undefined;
  let shown = false;
  return {
    report(rows, bytes, at) {
      const atMs = at === null ? undefined : Date.parse(at);
      newestMs ??= atMs;
      const now = nowMs();
      if (now < nextMs) return;
      nextMs = now + (inPlace ? TERMINAL_EVERY_MS : FILE_EVERY_MS);
      const rate = Math.round(rows / Math.max(0.001, (now - startMs) / 1_000));
      const place = at === null ? '' : `, back to ${at}${share(newestMs, atMs, sinceMs)}`;
      const line = `${rows} rows, ${(bytes / 1e6).toFixed(1)} MB, ${rate} rows/s${place}`;
      terminal.write(inPlace ? `\r\u001b[K${line}` : `${line}\n`);
      shown = inPlace;
    },
    end() {
      if (shown) terminal.write('\n');
    },
  };
}

/** How much of the time that was asked for is done; nothing where it has no beginning. */
function share(newestMs: number | undefined, atMs: number | undefined, sinceMs: number | undefined): string {
  if (newestMs === undefined || atMs === undefined || sinceMs === undefined || newestMs <= sinceMs) return '';
  return ` (${Math.floor(((newestMs - atMs) / (newestMs - sinceMs)) * 100)} %)`;
}
