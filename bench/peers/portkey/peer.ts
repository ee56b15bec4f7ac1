import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, launch, untilAnswers } from '../../load/processes.ts';
import type { Peer } from '../peer.ts';

const VERSION = '1.15.2';
const FOLDER = join(tmpdir(), `ringside-bench-portkey-${VERSION}`);
const PACKAGE = join(FOLDER, 'node_modules/@portkey-ai/gateway');
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Portkey's open-source gateway as its npm package starts it, without its log console (`--headless`), in production mode,
 * on the same Node as ours. The upstream is named per request, as its documentation does it for OpenAI-compatible servers.
 */
export const portkey: Peer = {
  name: 'portkey',
  async missing() {
    if (await exists(PACKAGE)) return undefined;
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, 'package.json'), '{"private":true}');
    const install = promisify(execFile)('npm', ['install', '--ignore-scripts', `@portkey-ai/gateway@${VERSION}`], {
      cwd: FOLDER,
    });
    return install.then(
      () => undefined,
      (error: unknown) => `npm install @portkey-ai/gateway@${VERSION} failed: ${String(error)}`,
    );
  },
  version: async () =>
    (JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8')) as { version: string }).version,
  async start({ upstreamUrl, core }) {
    const port = await freePort();
    const started = await launch({
      command: process.execPath,
      args: [join(PACKAGE, 'build/start-server.js'), '--headless', `--port=${port}`],
      core,
      env: { NODE_ENV: 'production' },
      ready: () => untilAnswers(`http://127.0.0.1:${port}/`),
    });
    return {
      url: `http://127.0.0.1:${port}/v1/chat/completions`,
      headers: {
        authorization: 'Bearer sk-bench',
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `${upstreamUrl}/v1`,
      },
      model: 'bench',
      ...started,
    };
  },
};
