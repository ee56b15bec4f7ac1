import { randomBytes } from 'node:crypto';
import { fail, print } from '../output.ts';
import type { Settings } from '../settings.ts';
import { type ControlAccess, findControlAccess } from './access.ts';
import { type Checkpoint, splitCheckpoints } from './checkpoints.ts';
import { EXPORT_HELP, type ExportOptions, parseExportOptions } from './options.ts';
import { OtherExportError, openPartFile, type PartFile } from './part-file.ts';
import { createProgress } from './progress.ts';

/** How often the place to resume from is written down. */
const SAVE_EVERY_MS = 1_000;

/** What the server says in the place of an answer. */
class RefusedError extends Error {
  override name = 'RefusedError';
}

interface Totals {
  readonly rows: number;
  readonly skipped: number;
}

/** `ringside export`: inferences from the log into a file, through the control API. */
export async function exportLog(settings: Settings, args: readonly string[]): Promise<void> {
  try {
    const options = parseExportOptions(args);
    if (options === null) return print(EXPORT_HELP);
    await runExport(await findControlAccess(settings), options);
  } catch (error) {
    if (error instanceof RefusedError || error instanceof OtherExportError) fail(error.message);
    throw error;
  }
}

async function runExport(access: ControlAccess, { query, out, resume, json }: ExportOptions): Promise<void> {
  const startMs = performance.now();
  const part = await openPartFile(out, query, resume);
  const totals = await fetchInto(part, access, query).catch(async (error: unknown) => {
    await part.close();
    throw error;
  });
  await part.complete();
  const seconds = Math.round(performance.now() - startMs) / 1_000;
  const summary = { file: out, ...totals, bytes: part.bytes(), seconds, resumed: part.resumed !== null };
  if (json) print(JSON.stringify(summary));
  else {
    const left = totals.skipped === 0 ? '' : `, ${totals.skipped} left out that the format has no place for`;
    print(`${totals.rows} inferences in ${out}, ${(part.bytes() / 1e6).toFixed(1)} MB, ${seconds.toFixed(1)} s${left}`);
  }
}

/** Fetches what is missing. Ends the process, with what to do next, when the stream is cut. */
async function fetchInto(part: PartFile, access: ControlAccess, query: Record<string, string>): Promise<Totals> {
  const { resumed } = part;
  const progress = createProgress(
    process.stderr,
    () => performance.now(),
    query['since'] === undefined ? undefined : Date.parse(query['since']),
  );
  const totalsOf = (checkpoint: Checkpoint | null): Totals => ({
    rows: (resumed?.rows ?? 0) + (checkpoint?.rows ?? 0),
    skipped: (resumed?.skipped ?? 0) + (checkpoint?.skipped ?? 0),
  });
  let last: Checkpoint | null = null;
  let whole: Buffer[] = [];
  let savedMs = 0;
  const save = async () => {
    if (last !== null) await part.save({ ...totalsOf(last), after: last.after });
  };
  try {
    const word = randomBytes(16).toString('hex');
    const stream = await request(access, { ...query, checkpoints: word, ...afterOf(resumed) });
    for await (const piece of splitCheckpoints(stream, word)) {
      if (piece.kind === 'data') {
        whole.push(piece.bytes);
        continue;
      }
      // Rows go into the file when their checkpoint is there: what is in it is then whole.
      await part.append(Buffer.concat(whole));
      whole = [];
      last = piece.checkpoint;
      progress.report(totalsOf(last).rows, part.bytes(), last.at);
      if (last.done) return totalsOf(last);
      if (performance.now() - savedMs > SAVE_EVERY_MS) {
        await save();
        savedMs = performance.now();
      }
    }
    throw new TypeError('the answer ended early');
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch's error for whatever happens to a connection
    await save();
    const { rows } = totalsOf(last);
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    throw new RefusedError(`cut off after ${rows} inferences (${reason}); run it again with --resume to go on`);
  } finally {
    progress.end();
  }
}

function afterOf(resumed: PartFile['resumed']): { after?: string } {
  return resumed === null || resumed.after === null ? {} : { after: resumed.after };
}

async function request(
  { url, token }: ControlAccess,
  query: Record<string, string>,
): Promise<AsyncIterable<Uint8Array>> {
  const answer = await fetch(`${url}/api/v1/inferences:export?${new URLSearchParams(query)}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status === 200 && answer.body !== null) {
    const notice = answer.headers.get('x-ringside-notice');
    if (notice !== null) process.stderr.write(`${notice}\n`);
    return answer.body;
  }
  const text = await answer.text();
  throw new RefusedError(`${url} answered ${answer.status}: ${detailOf(text)}`);
}

/** The sentence of a problem (RFC 9457), else the text itself. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === 'string' ? detail : text.slice(0, 500);
  } catch {
    return text.slice(0, 500);
  }
}
