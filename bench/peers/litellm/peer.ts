import { execFile } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, launch, untilAnswers } from '../../load/processes.ts';
import type { Peer } from '../peer.ts';

const VERSION = '1.106.2';
const REQUIREMENTS = [`litellm[proxy]==${VERSION}`, 'prisma==0.11.0'];
const FOLDER = join(tmpdir(), `ringside-bench-litellm-${VERSION}`);
const COMMAND = join(FOLDER, 'bin/litellm');
const KEY = 'sk-bench-master-key';
/** It imports some hundreds of modules before it listens, and may share its core with other peers meanwhile. */
const START_TIMEOUT_MS = 180_000;

const run = promisify(execFile);

/**
 * The proxy of LiteLLM, from PyPI with its own `proxy` extra, in a Python environment of its own: the newest version whose
 * requirements could be met when it was pinned (1.108 and 1.109 asked for a certifi that PyPI did not serve). `prisma` is not in
 * that extra, but without it every request searches for it in vain, and a refused key is answered with 500 instead of 401.
 *
 * Configured as its production checklist says: one uvicorn worker for one core, on uvloop, which the extra brings and its
 * command chooses; a master key, so that a caller is authenticated as ours is; LITELLM_MODE=PRODUCTION; LITELLM_LOG=ERROR, which
 * also stops uvicorn's line per request; its request timeout; spend and error logs off, no callbacks, no cache. Its `json_logs` is
 * left out: that would replace the log level by a logging configuration which writes such a line again. Without a database
 * there are no virtual keys and no spend, which spares it work that ours does. An `openai/` model, which its load-test page
 * recommends, goes out through its default aiohttp transport, which keeps connections to the upstream alive (500 a host). The price list
 * is the one in the package, as its page on server tuning offers for networks without egress.
 *
 * Its Granian server is not used, being marked beta, nor its Rust core, which at this version does not serve chat completions.
 */
export const litellm: Peer = {
  name: 'litellm',
  async missing() {
    const present = await access(COMMAND).then(
      () => true,
      () => false,
    );
    if (present) return undefined;
    try {
      await run('python3', ['-m', 'venv', FOLDER]);
      await run(join(FOLDER, 'bin/pip'), ['install', '--quiet', ...REQUIREMENTS], { maxBuffer: 64e6 });
      return undefined;
    } catch (error) {
      const command = `python3 -m venv ${FOLDER} && ${FOLDER}/bin/pip install '${REQUIREMENTS.join("' '")}'`;
      return `${command} failed (it needs Python 3.10 or newer with venv, and PyPI): ${String(error)}`;
    }
  },
  async version() {
    const { stdout } = await run(join(FOLDER, 'bin/python'), [
      '-c',
      'from importlib.metadata import version; print(version("litellm"), "with uvicorn", version("uvicorn"))',
    ]);
    return stdout.trim();
  },
  async start({ upstreamUrl, core, scratch }) {
    const port = await freePort();
    const folder = join(scratch, 'litellm');
    await mkdir(folder, { recursive: true });
    const config = join(folder, 'config.yaml');
    // YAML contains JSON.
    await writeFile(
      config,
      JSON.stringify({
        model_list: [
          {
            model_name: 'bench',
            litellm_params: { model: 'openai/bench', api_base: `${upstreamUrl}/v1`, api_key: 'sk-bench' },
          },
        ],
        litellm_settings: { request_timeout: 600, set_verbose: false },
        general_settings: { disable_spend_logs: true, disable_error_logs: true },
      }),
    );
    const arguments_ = ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'];
    const started = await launch({
      // A database named in the environment would be used.
      command: 'env',
      args: ['-u', 'DATABASE_URL', COMMAND, ...arguments_, '--keepalive_timeout', '75'],
      core,
      env: {
        LITELLM_MASTER_KEY: KEY,
        LITELLM_MODE: 'PRODUCTION',
        LITELLM_LOG: 'ERROR',
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      },
      ready: () => untilAnswers(`http://127.0.0.1:${port}/health/liveliness`, START_TIMEOUT_MS),
    });
    return {
      url: `http://127.0.0.1:${port}/v1/chat/completions`,
      headers: { authorization: `Bearer ${KEY}` },
      model: 'bench',
      ...started,
    };
  },
};
