import { createSimulator, type SimulatorOptions } from './server.ts';

/** Parsed settings of a simulator process; what is left out is as in SimulatorOptions. */
export interface SimulatorSettings
  extends Pick<SimulatorOptions, 'seed' | 'behaviours' | 'requiredApiKey' | 'strictModels'> {
  readonly host: string;
  /** 0 takes a free one, which the log line names. */
  readonly port: number;
  log(line: string): void;
}

/** Starts a simulator and resolves, once it listens, to the function that stops it. Rejects if the port is taken. */
export async function runSimulator(settings: SimulatorSettings): Promise<() => Promise<void>> {
  const { host, port, log, ...options } = settings;
  const simulator = createSimulator(options);
  const address = await simulator.listen(host, port);
  const name = address.host.includes(':') ? `[${address.host}]` : address.host;
  log(`provider simulator: http://${name}:${address.port}/v1 (control: http://${name}:${address.port}/_sim/)`);
  return () => simulator.close();
}
