import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, launch, untilAnswers } from '../../load/processes.ts';
import type { Peer } from '../peer.ts';

const run = promisify(execFile);

/** The floor: nginx `proxy_pass` with upstream keep-alive, no log, one worker. Debian package nginx. */
export const nginx: Peer = {
  name: 'nginx',
  missing: () =>
    run('nginx', ['-v']).then(
      () => undefined,
      () => 'apt-get install nginx-light',
    ),
  version: async () => /nginx\/(\S+)/.exec((await run('nginx', ['-v'])).stderr)?.[1] ?? 'unknown',
  async start({ upstreamUrl, core, scratch }) {
    const port = await freePort();
    const config = join(scratch, 'proxy.conf');
    await writeFile(
      config,
      `daemon off; worker_processes 1; pid ${scratch}/proxy.pid; error_log ${scratch}/proxy.err;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; client_body_buffer_size 2m;
  upstream up { server ${new URL(upstreamUrl).host}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}
`,
    );
    const process = await launch({
      command: 'nginx',
      args: ['-c', config, '-p', scratch],
      core,
      ready: () => untilAnswers(`http://127.0.0.1:${port}/`),
    });
    return { url: `http://127.0.0.1:${port}/v1/chat/completions`, headers: {}, model: 'bench', ...process };
  },
};
