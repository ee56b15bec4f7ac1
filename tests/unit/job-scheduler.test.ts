import { expect, test } from 'vitest';
import { runJobs } from '#control-plane/jobs/scheduler.ts';
import { waitFor } from '#tests/support/wait.ts';

const deps = (log: string[]) => ({ random: () => 0, log: (line: string) => void log.push(line) });

test('jobs run at once and then at their interval, beside each other but never beside themselves', async () => {
  const stop = new AbortController();
  const running = { fast: 0, slow: 0 };
  const runs = { fast: 0, slow: 0 };
  const job = (name: 'fast' | 'slow', workMs: number) => ({
    ...{ name, everyMs: 1 },
    async run() {
      expect(++running[name]).toBe(1);
      await new Promise((done) => setTimeout(done, workMs));
      running[name]--;
      runs[name]++;
    },
  });
  const log: string[] = [];
  const ended = runJobs({ jobs: [job('fast', 0), job('slow', 20)], ...deps(log) }, stop.signal);
  await waitFor('runs of both', () => runs.slow >= 2 && runs.fast > runs.slow);
  stop.abort();
  await ended;
  expect(running).toEqual({ fast: 0, slow: 0 });
  expect(log).toEqual([]);
});

test('a job that fails is said so with its cause, tried again soon, and said to work again', async () => {
  const stop = new AbortController();
  const log: string[] = [];
  let runs = 0;
  const run = async () => {
    if (++runs <= 1) throw new Error('no luck');
  };
  const ended = runJobs({ jobs: [{ name: 'odd', everyMs: 3_600_000, run }], ...deps(log) }, stop.signal);
  await waitFor('the second try', () => runs === 2);
  await waitFor('the end of the alarm', () => log.length === 2);
  expect(log[0]).toMatch(/^job odd failed, again in 1 s: Error: no luck/);
  expect(log[1]).toBe('job odd: it works again');
  stop.abort();
  await ended;
});

test('a job that fails because it is told to stop is no alarm', async () => {
  const stop = new AbortController();
  const log: string[] = [];
  const run = (signal: AbortSignal) =>
    new Promise<void>((_, failed) => signal.addEventListener('abort', () => failed(new Error('stopped'))));
  const ended = runJobs({ jobs: [{ name: 'long', everyMs: 1, run }], ...deps(log) }, stop.signal);
  stop.abort();
  await ended;
  expect(log).toEqual([]);
});
