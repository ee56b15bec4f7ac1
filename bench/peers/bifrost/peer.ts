import { execFile } from 'node:child_process';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, launch, untilAnswers } from '../../load/processes.ts';
import type { Peer } from '../peer.ts';

const VERSION = 'v2.5.1';
const STARTER = '@maximhq/bifrost@1.6.3';
const FOLDER = join(tmpdir(), `ringside-bench-bifrost-${VERSION}`);
/** Where the npm package puts what it downloads, when FOLDER is the cache folder of the user. */
const COMMAND = join(FOLDER, 'bifrost', VERSION, 'bin/bifrost-http-0');
const DOWNLOAD_TIMEOUT_MS = 300_000;
/** The catalogue is fetched before it listens. */
const START_TIMEOUT_MS = 120_000;
const VIRTUAL_KEY = 'sk-bf-bench';
/**
 * Its sizing table for 5 000 requests a second: workers, half as many again in the queue and in the pools. More than any
 * scenario has in flight, so that nothing waits or is dropped for want of a worker.
 */
const SIZES = { concurrency: 5_000, queue: 7_500, pool: 7_500 };

const run = promisify(execFile);

/**
 * Bifrost, the Go gateway, as the release binary that its npm package downloads from its vendor. (`go install` is no way to
 * it: the program embeds its web interface, which is built apart.)
 *
 * UNVERIFIED: written from its documentation and the source of the npm package; no run has confirmed it yet.
 *
 * Configured from a file alone (no configuration store), with request logging off, no store for logs and no optional
 * plugins; its telemetry and governance are built in and stay. A virtual key is required of callers, as ours requires a key.
 * Queue and pools as its performance page sizes them, excess requests wait instead of being dropped, GOMAXPROCS is 1 for one
 * core. The upstream is its `openai` provider with another base URL, on a private address, which it allows only when told to. The
 * model is one of its catalogue, so that a key for all models covers it. At start it fetches its catalogue and prices from its vendor.
 */
export const bifrost: Peer = {
  name: 'bifrost',
  async missing() {
    const present = await access(COMMAND).then(
      () => true,
      () => false,
    );
    return present ? undefined : download();
  },
  version: async () => VERSION,
  async start({ upstreamUrl, core, scratch }) {
    const port = await freePort();
    const folder = join(scratch, 'bifrost');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'config.json'), JSON.stringify(configuration(upstreamUrl)));
    const started = await launch({
      command: COMMAND,
      args: ['-app-dir', folder, '-host', '127.0.0.1', '-port', String(port), '-log-level', 'error'],
      core,
      env: { GOMAXPROCS: '1' },
      ready: () => untilAnswers(`http://127.0.0.1:${port}/health`, START_TIMEOUT_MS),
    });
    return {
      url: `http://127.0.0.1:${port}/v1/chat/completions`,
      headers: { authorization: `Bearer ${VIRTUAL_KEY}` },
      model: 'openai/gpt-4o-mini',
      ...started,
    };
  },
};

/** Lets the npm package download the binary and print its help; returns what went wrong. */
async function download(): Promise<string | undefined> {
  try {
    // What an interrupted download leaves behind would be taken for the binary.
    await rm(FOLDER, { recursive: true, force: true });
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, 'package.json'), '{"private":true}');
    await run('npm', ['install', '--ignore-scripts', STARTER], { cwd: FOLDER });
    const starter = join(FOLDER, 'node_modules/@maximhq/bifrost/bin.js');
    await run(process.execPath, [starter, '--transport-version', VERSION, '-h'], {
      env: { ...process.env, XDG_CACHE_HOME: FOLDER },
      timeout: DOWNLOAD_TIMEOUT_MS,
    });
    await access(COMMAND);
    return undefined;
  } catch (error) {
    // Without this, the next run would find an incomplete binary.
    await rm(COMMAND, { force: true });
    const command = `XDG_CACHE_HOME=${FOLDER} npx -y ${STARTER} --transport-version ${VERSION} -h`;
    const text = String(error);
    const reason = /\[cause\]: (.+)/.exec(text)?.[1] ?? text.split('\n').slice(0, 2).join(' ');
    return `its release binary could not be downloaded (${reason}). With internet access: ${command}; or put /app/main of the container image maximhq/bifrost:${VERSION} at ${COMMAND}`;
  }
}

function configuration(upstreamUrl: string) {
  return {
    client: {
      enable_logging: false,
      initial_pool_size: SIZES.pool,
      drop_excess_requests: false,
      enforce_auth_on_inference: true,
    },
    config_store: { enabled: false },
    logs_store: { enabled: false },
    providers: {
      openai: {
        keys: [{ name: 'bench', value: 'sk-bench', models: ['*'], weight: 1 }],
        network_config: { base_url: upstreamUrl, allow_private_network: true },
        concurrency_and_buffer_size: { concurrency: SIZES.concurrency, buffer_size: SIZES.queue },
      },
    },
    governance: {
      virtual_keys: [
        {
          id: 'bench',
          name: 'bench',
          value: VIRTUAL_KEY,
          is_active: true,
          provider_configs: [{ provider: 'openai', allowed_models: ['*'], key_ids: ['*'], weight: 1 }],
        },
      ],
    },
  };
}
