import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, launch, type Running, untilAnswers } from './processes.ts';

const ANSWER = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'bench',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Twelve words that say nothing but fill the line well enough here.' },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 12, completion_tokens: 14, total_tokens: 26 },
});

/** What every gateway forwards to: nginx with a fixed chat answer, so that the upstream is never the limit. */
export async function startUpstream(scratch: string, core: number): Promise<Running & { readonly url: string }> {
  const port = await freePort();
  const config = join(scratch, 'upstream.conf');
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${scratch}/upstream.pid; error_log ${scratch}/upstream.err;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; client_body_buffer_size 2m;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { default_type application/json; return 200 '${ANSWER}'; }
  }
}
`,
  );
  const running = await launch({
    command: 'nginx',
    args: ['-c', config, '-p', scratch],
    core,
    ready: () => untilAnswers(`http://127.0.0.1:${port}/`),
  });
  return { ...running, url: `http://127.0.0.1:${port}` };
}
