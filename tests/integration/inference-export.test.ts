import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';
import { startCuttingProxy } from '#tests/support/cutting-proxy.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
const MANY = 1_300;
const now = Date.now();

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let folder: string;
/** Newest first. */
const ids: string[] = [];
/** Of the group with many rows. */
let manyIds: string[];

async function makeGroup(name: string): Promise<string> {
  return (await api('POST', '/groups', { name })).body.id;
}

const request = JSON.stringify({
  model: 'g',
  messages: [
    { role: 'system', content: 'Be kind' },
    { role: 'user', content: 'Hi' },
  ],
});
const whole = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello "you"', refusal: null }, finish_reason: 'stop' }],
});
const streamed = [
  { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] },
  {
    choices: [
      { index: 0, delta: { content: 'Hel' } },
      { index: 1, delta: { content: 'no' } },
    ],
  },
  { choices: [{ index: 0, delta: { content: 'lo' } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
]
  .map((event) => `data: ${JSON.stringify(event)}\n\n`)
  .join('');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ringside-export-'));
  control = await startTestControlPlane();
  api = await control.owner('acme');
  rival = await control.owner('rival');
  const groupId = await makeGroup('demo');
  const plant = async (index: number, more: Partial<Parameters<typeof plantInference>[1]>) =>
    ids.push(
      await plantInference(control.admin, {
        groupId,
        organizationId: api.organizationId,
        atMs: now - index * 1_000,
        ...more,
      }),
    );
  await plant(0, { request, response: whole, responseType: 'application/json' });
  await plant(1, {
    request,
    response: `${streamed}data: [DONE]\n\n`,
    responseType: 'text/event-stream; charset=utf-8',
    row: { streamed: true },
  });
  // None of these is a whole completed chat.
  await plant(2, { request, response: streamed.slice(0, 150), responseType: 'text/event-stream' });
  await plant(3, { request, response: whole.slice(0, 60), row: { response_bytes: 9_999 } });
  await plant(4, { request, response: whole, row: { outcome: 'failed', status: 502 } });
  await plant(5, { request: '{"input":"x"}', response: '{"data":[]}', row: { operation: 'embeddings' } });
  await plant(6, {});
  // Units as a spreadsheet would run them.
  for (const [index, unit] of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\tx',
    '\rx',
    '\nx',
    '＝1+1',
    'a,"b"\nc',
    'plain',
    "'quoted",
  ].entries()) {
    await plant(7 + index, { row: { unit } });
  }
  await plantMany(await makeGroup('many'));
});
afterAll(async () => {
  await control.stop();
  await rm(folder, { recursive: true, force: true });
});

/** One row, copied with times of its own. */
async function plantMany(groupId: string): Promise<void> {
  const first = await plantInference(control.admin, {
    groupId,
    organizationId: api.organizationId,
    atMs: now,
    request,
    response: whole,
  });
  for (const table of ['inferences', 'inference_payloads']) {
    await sql`
      INSERT INTO ringside.${sql.ref(table)}
      SELECT (jsonb_populate_record(row, jsonb_build_object('created_at', to_timestamp(unix_ms / 1000.0), 'id',
        lpad(to_hex(unix_ms), 12, '0') || substr(replace(row.id::text, '-', ''), 13, 4) || '8' || substr(md5(nth::text), 1, 15)))).*
      FROM ringside.${sql.ref(table)} AS row, generate_series(1, ${MANY - 1}::int) AS nth, LATERAL (SELECT ${now}::bigint - nth * 10 AS unix_ms) AS made
      WHERE row.id = ${first}`.execute(control.admin);
  }
  const { rows } = await sql<{
    id: string;
  }>`SELECT id FROM ringside.inferences WHERE group_id = ${groupId} ORDER BY created_at DESC, id DESC`.execute(
    control.admin,
  );
  manyIds = rows.map(({ id }) => id);
  expect(manyIds).toHaveLength(MANY);
}

const fetchExport = (query: string, client = api) =>
  fetch(`${control.url}/api/v1/inferences:export?${query}`, { headers: { authorization: `Bearer ${client.token}` } });
const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('formats', () => {
  test('jsonl has each row with its bodies', async () => {
    const answer = await fetchExport('group=demo');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="inferences.jsonl"');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const lines = jsonLines(await answer.text());
    expect(lines.map(({ id }) => id)).toEqual(ids);
    expect(lines[0]).toMatchObject({
      group: 'demo',
      request: { body: JSON.parse(request) },
      response: { truncated: false },
    });
    expect(lines[6]).toMatchObject({ request: { captured: false, body: null } });
  });

  test('csv is RFC 4180, and no cell is a formula', async () => {
    const answer = await fetchExport('group=demo&format=csv');
    expect(answer.headers.get('content-type')).toContain('text/csv');
    const text = await answer.text();
    expect(text.startsWith('id,created_at,group,')).toBe(true);
    expect(text.endsWith('\r\n')).toBe(true);
    const cells = [
      "'=1+1",
      "'+1",
      "'-1",
      "'@SUM(A1)",
      "'\tx",
      '"\'\rx"',
      '"\'\nx"',
      "'＝1+1",
      '"a,""b""\nc"',
      'plain',
      "'quoted",
    ];
    for (const cell of cells) expect(text).toContain(`,${cell},`);
    expect(text.split('\r\n')).toHaveLength(1 + ids.length + 1);
  });

  test('openai-chat has whole completed chats, streams put together', async () => {
    const messages = JSON.parse(request).messages;
    expect(jsonLines(await (await fetchExport('group=demo&format=openai-chat')).text())).toEqual([
      { messages: [...messages, { role: 'assistant', content: 'Hello "you"' }] },
      { messages: [...messages, { role: 'assistant', content: 'Hello' }] },
    ]);
  });

  test('filters hold, and what is wrong is a problem', async () => {
    const lines = jsonLines(await (await fetchExport('group=demo&status=5xx')).text());
    expect(lines.map(({ id }) => id)).toEqual([ids[4]]);
    expect(await (await fetchExport('group=demo&variant=none')).text()).toBe('');
    for (const query of [
      'group=nobody',
      'format=xml',
      'after=x',
      'limit=5',
      'checkpoints=short',
      'after=00000000-0000-4000-8000-000000000000',
    ]) {
      const answer = await fetchExport(query);
      expect(answer.status, query).toBe(422);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    }
    expect((await fetchExport('group=many', rival)).status).toBe(422);
    expect(await (await fetchExport('', rival)).text()).toBe('');
    expect((await fetch(`${control.url}/api/v1/inferences:export`)).status).toBe(401);
  });
});

describe('a long export', () => {
  test('comes whole over several batches, and goes on behind any row', async () => {
    const lines = jsonLines(await (await fetchExport('group=many')).text());
    expect(lines.map(({ id }) => id)).toEqual(manyIds);
    const rest = await (await fetchExport(`group=many&format=csv&after=${manyIds[700]}`)).text();
    expect(
      rest
        .split('\r\n')
        .slice(0, -1)
        .map((line) => line.slice(0, 36)),
    ).toEqual(manyIds.slice(701));
  });

  test('has checkpoints where they are asked for', async () => {
    const word = 'abcdefghijklmnop';
    const text = await (await fetchExport(`group=many&format=openai-chat&checkpoints=${word}`)).text();
    const checkpoints = text
      .split('\n')
      .filter((line) => line.startsWith(`\u001e${word} `))
      .map((line) => JSON.parse(line.slice(18)));
    expect(checkpoints.map(({ rows, done }) => [rows, done])).toEqual([
      [500, false],
      [1_000, false],
      [1_300, true],
    ]);
    expect(checkpoints[0].after).toBe(manyIds[499]);
    expect(checkpoints.at(-1)).toMatchObject({ after: manyIds.at(-1), skipped: 0 });
  });

  test('a reader that leaves ends it', async () => {
    const leaving = new AbortController();
    const answer = await fetch(`${control.url}/api/v1/inferences:export?group=many`, {
      headers: { authorization: `Bearer ${api.token}` },
      signal: leaving.signal,
    });
    await answer.body!.getReader().read();
    leaving.abort();
    expect((await api('GET', '/inferences?group=many&limit=1')).status).toBe(200);
    expect(control.logged.filter((line) => line.includes('failed'))).toEqual([]);
  });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function ringside(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RINGSIDE_')));
  const child = spawn(process.execPath, [LAUNCHER, 'export', ...args], {
    env: {
      ...inherited,
      RINGSIDE_DATA_DIR: folder,
      RINGSIDE_CONTROL_URL: control.url,
      RINGSIDE_ADMIN_TOKEN: api.token,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done) => child.on('close', (code) => done({ code, stdout, stderr })));
}

describe('ringside export', () => {
  for (const format of ['jsonl', 'csv', 'openai-chat']) {
    test(`${format}: cut half-way and resumed it is the same file`, async () => {
      const out = join(folder, `cut.${format}`);
      const expected = await (await fetchExport(`group=many&format=${format}`)).text();
      const proxy = await startCuttingProxy(Number(new URL(control.url).port), Math.floor(expected.length * 0.6));
      const through = { RINGSIDE_CONTROL_URL: `http://127.0.0.1:${proxy.port}/` };
      const args = ['--group', 'many', '--format', format, '--out', out, '--json'];
      const cut = await ringside(args, through);
      expect(cut.code).toBe(1);
      expect(cut.stderr).toMatch(/cut off after (500|1000) inferences .*--resume/);
      expect(cut.stderr).not.toContain('    at ');
      expect(existsSync(out)).toBe(false);
      const left = JSON.parse(await readFile(`${out}.part.json`, 'utf8'));
      // As after a kill: rows that came behind the last checkpoint are in the file.
      await writeFile(`${out}.part`, `${(await readFile(`${out}.part`, 'utf8')).slice(0, left.bytes)}{"half`);

      const other = await ringside(['--group', 'demo', '--format', format, '--out', out, '--resume'], through);
      expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('other options') });

      const resumed = await ringside([...args, '--resume'], through);
      expect(resumed).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(resumed.stdout)).toMatchObject({
        file: out,
        rows: MANY,
        skipped: 0,
        resumed: true,
        bytes: Buffer.byteLength(expected),
      });
      expect(await readFile(out, 'utf8')).toBe(expected);
      expect((await stat(out)).mode & 0o777).toBe(0o600);
      expect([existsSync(`${out}.part`), existsSync(`${out}.part.json`)]).toEqual([false, false]);
      await proxy.close();
    });
  }

  test('takes token and address from credentials.json, and filters as options', async () => {
    await writeFile(
      join(folder, 'credentials.json'),
      JSON.stringify({ adminToken: api.token, controlUrl: control.url }),
    );
    const out = join(folder, 'few.csv');
    const unset = { RINGSIDE_ADMIN_TOKEN: '', RINGSIDE_CONTROL_URL: '' };
    const done = await ringside(
      ['--group', 'demo', '--latency-from-ms', '1', '--unit', '=1+1', '--format', 'csv', '--out', out],
      unset,
    );
    expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 inferences in /) });
    expect((await readFile(out, 'utf8')).split('\r\n')).toHaveLength(3);
    await rm(join(folder, 'credentials.json'));
    const without = await ringside(['--out', out], unset);
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('RINGSIDE_ADMIN_TOKEN is not set') });
  });

  test('says in one line what is wrong', async () => {
    const out = join(folder, 'none');
    for (const [args, env, said, code] of [
      [['--group', 'nobody', '--out', out], {}, 'there is no group "nobody"', 1],
      [['--out', out], { RINGSIDE_ADMIN_TOKEN: 'rsa_wrong' }, 'answered 401', 1],
      [['--out', out], { RINGSIDE_CONTROL_URL: 'http://127.0.0.1:9' }, 'cut off after 0 inferences', 1],
      [['--format', 'xml', '--out', out], {}, '--format is one of', 2],
      [['--group', 'demo'], {}, '--out <file> is missing', 2],
      [['--colour', 'red'], {}, '--colour', 2],
    ] as const) {
      const ended = await ringside(args, env);
      expect(ended.code, said).toBe(code);
      expect(ended.stderr).toContain(said);
      expect(ended.stderr).not.toContain('    at ');
      expect(existsSync(out)).toBe(false);
    }
    expect((await ringside(['--help'])).stdout).toContain('--resume');
  });
});
