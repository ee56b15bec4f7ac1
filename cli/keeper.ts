import type { ChildProcess } from 'node:child_process';
import { reasonOf } from '#core/reason.ts';
import { bindListener, type TcpHandle } from '#gateway/listener.ts';
import type { InheritedSockets } from '#gateway/main.ts';
import { runService, type ToService } from './service.ts';
import { type Listen, requireStandalone, type Settings, SettingsError } from './settings.ts';
import { namingAddress } from './start-failure.ts';
import { type Supervised, supervise } from './supervisor.ts';

/** The argument that makes `ringside gateway` wait for the sockets of its keeper instead of binding its addresses. */
export const INHERIT = 'inherit';

/**
 * `ringside gateway-keeper`: binds the gateway's addresses and never accepts; the gateway below it serves on duplicates. On
 * SIGUSR2 a successor is started, from the code that is on the disk by then, and the gateway before it drains when that
 * one serves. Connections that come while nobody accepts wait in the kernel's backlog.
 *
 *   keeping ──SIGUSR2──▶ replacing ──successor serves, predecessor has drained──▶ keeping
 *                            └──successor does not start──▶ keeping the one before
 */
export async function keepGateway(settings: Settings): Promise<void> {
  requireStandalone(settings); // says what is missing before anything is bound
  await runService('gateway-keeper', async (log) => {
    const gateway = await bind(settings.gateway);
    const metrics = await bind(settings.metrics);
    const onSpawn = (child: ChildProcess) => {
      gateway.sendTo(child, { type: 'socket', of: 'gateway' } satisfies ToService);
      metrics.sendTo(child, { type: 'socket', of: 'metrics' } satisfies ToService);
    };
    const succession = createSuccession(
      () => supervise('gateway', process.env, log, { argument: INHERIT, onSpawn }),
      log,
    );
    process.on('SIGUSR2', () => void succession.replace());
    await succession.begin();
    return {
      ready: `keeping http://${gateway.host}:${gateway.port}, metrics on port ${metrics.port}; SIGUSR2 replaces the gateway`,
      async stop() {
        // First, so that no connection waits for gateways which drain.
        gateway.close();
        metrics.close();
        await succession.end();
      },
    };
  });
}

/** The gateway that serves, and the one that takes its place. */
interface Succession {
  /** @throws SettingsError with the line of a first gateway that does not start */
  begin(): Promise<void>;
  /** Resolves when it is over, one way or the other; does nothing while another one is under way. */
  replace(): Promise<void>;
  /** Stops whatever runs. */
  end(): Promise<void>;
}

function createSuccession(launch: () => Supervised, log: (line: string) => void): Succession {
  const running = new Set<Supervised>();
  let current: Supervised | undefined;
  let isChanging = false;

  /** Adopts a new one when it serves, and stops the one before. @throws when it does not start */
  const succeed = async () => {
    const next = launch();
    running.add(next);
    await next.ready.catch((error: unknown) => {
      running.delete(next);
      throw error;
    });
    const predecessor = current;
    current = next;
    await predecessor?.stop();
    if (predecessor !== undefined) running.delete(predecessor);
  };

  return {
    async begin() {
      isChanging = true;
      await succeed().catch((error: unknown) => Promise.reject(new SettingsError(reasonOf(error))));
      isChanging = false;
    },
    async replace() {
      if (isChanging) return log('a successor is on its way already');
      isChanging = true;
      try {
        await succeed();
        log('replaced: the successor serves, the gateway before it has drained');
      } catch (error) {
        log(`the successor did not start, the gateway before it serves on: ${reasonOf(error)}`);
      }
      isChanging = false;
    },
    async end() {
      await Promise.all([...running].map((gateway) => gateway.stop()));
    },
  };
}

function bind(listen: Listen) {
  return namingAddress(
    listen,
    async () => bindListener(listen.host, listen.port),
    ({ name }) => name === 'AddressInUseError',
  );
}

/** Resolves with the sockets that the keeper hands over. Call it before anything else hears messages. */
export function receiveSockets(): Promise<InheritedSockets> {
  const { promise, resolve } = Promise.withResolvers<InheritedSockets>();
  const received: { gateway?: TcpHandle; metrics?: TcpHandle } = {};
  const hear = (message: ToService, handle: unknown) => {
    if (message.type !== 'socket') return;
    received[message.of] = handle as TcpHandle;
    const { gateway, metrics } = received;
    if (gateway === undefined || metrics === undefined) return;
    process.off('message', hear);
    resolve({ gateway, metrics });
  };
  process.on('message', hear);
  return promise;
}
