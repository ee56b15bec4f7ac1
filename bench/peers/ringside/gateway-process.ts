import { join } from 'node:path';
import { freePort, launch, pinThreads, untilAnswers } from '../../load/processes.ts';
import type { StartedPeer } from '../peer.ts';
import { GROUP, type Installation, RINGSIDE_COMMAND } from './installation.ts';

export interface GatewayLayout {
  /** The core of each worker, in order: as many workers as there are entries. */
  readonly workerCores: readonly number[];
  /** The core of its other threads. */
  readonly otherCore: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts one gateway of an installation and pins its serving threads. It is ready when its metrics answer. */
export async function startGatewayProcess(
  installation: Installation,
  layout: GatewayLayout,
): Promise<StartedPeer & { readonly metricsUrl: string; readonly dataFolder: string }> {
  const port = await freePort();
  const metricsPort = await freePort();
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  const dataFolder = join(installation.folder, `gateway-${port}`);
  const gateway = await launch({
    command: process.execPath,
    args: [RINGSIDE_COMMAND, 'gateway'],
    core: layout.otherCore,
    env: {
      ...installation.environment,
      RINGSIDE_DATA_DIR: dataFolder,
      RINGSIDE_GATEWAY_LISTEN: String(port),
      RINGSIDE_METRICS_LISTEN: String(metricsPort),
      RINGSIDE_WORKERS: String(layout.workerCores.length),
      ...layout.environment,
    },
    ready: () => untilAnswers(metricsUrl),
  });
  for (const [index, core] of layout.workerCores.entries()) {
    if (pinThreads(gateway.pid, new RegExp(`^gateway-${index}$`), core) === 1) continue;
    await gateway.stop();
    throw new Error(`the thread of worker ${index} was not found`);
  }
  return {
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    ...{ metricsUrl, dataFolder },
    headers: { authorization: `Bearer ${installation.key}` },
    model: GROUP,
    ...gateway,
  };
}
