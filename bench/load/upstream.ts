import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, launch, type Running, untilAnswers } from './processes.ts';

/** What the assistant says in every answer. */
export const ANSWER_CONTENT = 'Twelve words that say nothing but fill the line well enough here.';

const ANSWER = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'bench',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: ANSWER_CONTENT },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 12, completion_tokens: 14, total_tokens: 26 },
});

/** The same as Anthropic's API says it. */
const MESSAGE = JSON.stringify({
  id: 'msg_bench',
  type: 'message',
  role: 'assistant',
  model: 'bench',
  content: [{ type: 'text', text: ANSWER_CONTENT }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 12, output_tokens: 14 },
});

/**
 * What every gateway forwards to: nginx with a fixed chat answer, so that the upstream is never the limit.
 *
 * `return` answers as soon as it has the head. A caller that is still writing a long body then has its answer too early,
 * which wrk takes for a broken connection. So a request of 10 000 bytes or more goes another way: `mirror` has nginx
 * read the whole body, and the answer is what a POST to an `empty_gif` fails with. Read and forwarded to a second server,
 * it costs the shared core about twice as much.
 */
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
    default_type application/json;
    if ($http_content_length ~ "^.....") { rewrite ^ /long last; }
    location = /v1/messages { return 200 '${MESSAGE}'; }
    location / { return 200 '${ANSWER}'; }
    location = /long { internal; mirror /read; empty_gif; error_page 405 =200 @answer; }
    location = /read { internal; return 204; }
    location @answer { return 200 '${ANSWER}'; }
  }
}
`,
  );
  const running = await launch({
    command: 'nginx',
    args: ['-c', config, '-p', scratch],
    core,
    priority: 'load',
    ready: () => untilAnswers(`http://127.0.0.1:${port}/`),
  });
  return { ...running, url: `http://127.0.0.1:${port}` };
}
