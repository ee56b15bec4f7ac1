import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BootedWorker, bootWorkers } from '#gateway/boot.ts';
import { bindListener } from '#gateway/listener.ts';
import { startGateway } from '#gateway/main.ts';
import type { GatewaySettings } from '#gateway/settings.ts';
import { gatewaySettings } from '../support/gateway-settings.ts';

let folder: string;
let taken: Server;
let takenPort: number;
let booted: BootedWorker[];
let ended: Promise<unknown>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-start-'));
  taken = createServer();
  await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
  takenPort = (taken.address() as AddressInfo).port;
  booted = bootWorkers(2);
  ended = Promise.all(booted.map(({ worker }) => new Promise((done) => worker.once('exit', done))));
});
afterEach(async () => {
  await Promise.all(booted.map(({ worker }) => worker.terminate()));
  taken.close();
  await rm(folder, { recursive: true, force: true });
});

const start = (changes: Partial<GatewaySettings>, log: string[] = []) =>
  startGateway(gatewaySettings(folder, changes), (line) => void log.push(line), booted);
/** Throws when somebody has it. */
const expectFree = (port: number) => bindListener('127.0.0.1', port).close();

test('a start that finds its address taken leaves no thread behind', async () => {
  await expect(start({ port: takenPort })).rejects.toMatchObject({ name: 'AddressInUseError' });
  await ended;
});

test('a taken metrics address fails the start before a worker has opened its spool, and lets go of the gateway address', async () => {
  const probe = bindListener('127.0.0.1', 0);
  probe.close();
  const log: string[] = [];
  const { port } = probe;
  await expect(start({ port, metricsPort: takenPort }, log)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await ended;
  expectFree(port);
  expect(log).toEqual([]);
});

test('a start that fails behind the configuration leaves no thread and no address behind', async () => {
  const log: string[] = [];
  const thread = booted[1]!.worker;
  await thread.terminate(); // a worker that did not even load
  const probe = bindListener('127.0.0.1', 0);
  probe.close();
  await expect(start({ port: probe.port }, log)).rejects.toThrow('worker 1 ended');
  await ended;
  expectFree(probe.port);
  expect(log.join('\n')).toMatch(/the configuration cannot be read/);
});

test('a gateway serves and answers for its metrics without its database, and a stop leaves nothing behind', async () => {
  const gateway = await start({});
  expect((await fetch(`http://127.0.0.1:${gateway.port}/healthz`)).status).toBe(200);
  expect(await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()).toMatch(/^ringside_/m);
  await gateway.stop();
  await ended;
  expectFree(gateway.port);
  expectFree(gateway.metricsPort);
});
