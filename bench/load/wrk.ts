import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runLoadTool } from './load-tool.ts';

/** One closed-loop run of wrk against a chat endpoint. */
export interface WrkRun {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  readonly core: number;
  /** Holds the script and the body: one folder for each run that goes on at the same time. */
  readonly scratch: string;
  /** Lines of Lua behind those that set method, headers and body: a `request` function of wrk's. */
  readonly lua?: readonly string[];
}

export interface WrkResult {
  /** All answers of the run. */
  readonly requests: number;
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx, and socket errors. */
  readonly failures: number;
}

export async function runWrk(run: WrkRun): Promise<WrkResult> {
  const bodyFile = join(run.scratch, 'body.json');
  const script = join(run.scratch, 'post.lua');
  await writeFile(bodyFile, run.body);
  const headers = { 'content-type': 'application/json', ...run.headers };
  await writeFile(
    script,
    [
      `local file = io.open(${JSON.stringify(bodyFile)}, "rb")`,
      'wrk.method = "POST"',
      'wrk.body = file:read("*a")',
      'file:close()',
      ...Object.entries(headers).map(
        ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
      ),
      ...(run.lua ?? []),
    ].join('\n'),
  );
  const args = ['-t1', `-c${run.connections}`, `-d${run.seconds}s`, '--latency', '-s', script, run.url];
  const stdout = await runLoadTool('wrk', args, run.core);
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? 0);
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  return {
    requests: number(/(\d+) requests in/),
    requestsPerS: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: duration(/50%\s+(\S+)/.exec(stdout)?.[1]),
    p99Ms: duration(/99%\s+(\S+)/.exec(stdout)?.[1]),
    failures: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

function duration(text: string | undefined): number {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text ?? '');
  if (match === null) return Number.NaN;
  return Number(match[1]) * { us: 0.001, ms: 1, s: 1000 }[match[2] as 'us' | 'ms' | 's'];
}
