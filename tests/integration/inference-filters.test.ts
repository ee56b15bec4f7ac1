import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { type Planted, plantInference } from '#tests/support/planted-inferences.ts';

const HOUR = 3_600_000;
const now = Date.now();
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
const groups: Record<string, string> = {};
const keys: Record<string, string> = {};
/** What was planted, by name; the same in both organizations. */
const planted: Record<string, string> = {};

type Row = Omit<Planted, 'groupId' | 'organizationId' | 'atMs'> & { readonly group?: string };

const chat = (content: unknown) => JSON.stringify({ model: 'demo', messages: [{ role: 'user', content }] });
const answer = (content: string) =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] });
const events = (...pieces: string[]) =>
  `${[...pieces.map((content) => JSON.stringify({ choices: [{ index: 0, delta: { content } }] })), '[DONE]'].map((data) => `data: ${data}\n\n`).join('')}`;

const named = (...all: ({ type: string } & Record<string, unknown>)[]) =>
  all.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
const gemini = (...parts: object[]) => ({ candidates: [{ index: 0, content: { role: 'model', parts } }] });

/** Each differs from the others in what one filter asks for; each is an hour older than the one before. */
const ROWS: Record<string, Row> = {
  plain: {},
  challenger: { row: { assigned_variant: 'b', served_variant: 'b', config_version: 1_000_000 } },
  champion: { row: { config_version: 1_000_000 } },
  fallen: { row: { served_variant: 'c', served_reason: 'none' } },
  keyed: {},
  unit: { row: { unit: 'Ünit ☃ '.repeat(100) } },
  refused: { row: { status: 429, outcome: 'failed', error_code: 'upstream_rate_limited' } },
  broken: { row: { status: 502, outcome: 'failed', error_code: 'upstream_error' } },
  left: { row: { status: 499, outcome: 'client_closed', error_code: 'client_closed' } },
  embedding: { row: { operation: 'embeddings' } },
  long: { row: { finish_reason: 'length' } },
  streamed: { row: { streamed: true, first_token_ns: 700_000_000 } },
  slow: { row: { total_ns: 9_000_000_000 } },
  wordy: { row: { input_tokens: 5_000, output_tokens: 70 } },
  dear: { row: { cost_micro_usd: 12_345 } },
  traced: { row: { trace_id: TRACE } },
  acme: { row: { metadata: JSON.stringify({ tenant: 'acme', tags: ['x', 'y'], plan: { seats: 3 } }) } },
  globex: { row: { metadata: JSON.stringify({ tenant: 'globex' }) } },
  spoken: { request: chat('Where is my Refund?'), response: answer('It is on its way to Zürich.') },
  parts: { request: chat([{ type: 'text', text: 'partial quux' }]), response: answer('yes') },
  escaped: { request: '{"messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe\\nzusammen"}]}' },
  events: { response: events('Hel', 'lo wor', 'ld'), responseType: 'text/event-stream', row: { streamed: true } },
  cut: { request: '{"messages":[{"role":"user","content":"left\\nunfinished', row: { request_bytes: 9_999 } },
  bytes: { request: Buffer.from([0x7b, 0xff, 0x00, 0x20, 0x78, 0x79, 0x7a, 0x7a, 0x79, 0x20, 0xc3]) },
  second: { group: 'second' },
  // What each dialect says where: no filter but a search for a word of its own finds it.
  anthropic: {
    row: { dialect: 'anthropic' },
    request: JSON.stringify({
      system: [{ type: 'text', text: 'anthrosystem' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'anthroasked' }] },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'toolu', name: 'f', input: { deep: ['anthrocalled'] } }],
        },
        { role: 'user', content: [{ type: 'tool_result', content: [{ type: 'text', text: 'anthroresult' }] }] },
        { role: 'user', content: [{ type: 'image', source: { type: 'base64', data: 'base64word' } }] },
      ],
    }),
    response: JSON.stringify({
      content: [
        { type: 'thinking', thinking: 'secretthought' },
        { type: 'text', text: 'anthroanswer' },
        { type: 'tool_use', input: { q: 'anthrowants' } },
      ],
    }),
  },
  anthropicStream: {
    row: { dialect: 'anthropic', streamed: true },
    response: named(
      { type: 'message_start', message: { role: 'assistant' } },
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'secretthought' } },
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'streaman' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'thro' } },
      { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', input: {} } },
      { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"q":"arg' } },
      { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: 'anthro"}' } },
    ),
  },
  responses: {
    row: { dialect: 'openai-responses' },
    request: JSON.stringify({
      instructions: 'respinstructions',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'respasked' }] },
        { type: 'function_call', arguments: '{"q":"respcalled"}' },
        { type: 'function_call_output', output: 'respresult' },
      ],
    }),
    response: JSON.stringify({
      output: [
        { type: 'message', content: [{ type: 'output_text', text: 'respanswer' }] },
        { type: 'function_call', arguments: '{"q":"respwants"}' },
      ],
    }),
  },
  responsesStream: {
    row: { dialect: 'openai-responses', streamed: true },
    response: named(
      { type: 'response.output_item.added', output_index: 0 },
      { type: 'response.reasoning_summary_text.delta', delta: 'secretthought' },
      { type: 'response.output_item.added', output_index: 1 },
      { type: 'response.output_text.delta', delta: 'stream' },
      { type: 'response.output_text.delta', delta: 'resp' },
      { type: 'response.output_item.added', output_index: 2 },
      { type: 'response.function_call_arguments.delta', delta: '{"q":"arg' },
      { type: 'response.function_call_arguments.delta', delta: 'resp"}' },
    ),
  },
  gemini: {
    row: { dialect: 'gemini' },
    request: JSON.stringify({
      systemInstruction: { parts: [{ text: 'gemsystem' }] },
      contents: [
        { role: 'user', parts: [{ text: 'gemasked' }, { inlineData: { data: 'base64word' } }] },
        { role: 'model', parts: [{ functionCall: { name: 'f', args: { q: 'gemcalled' } } }] },
        { role: 'user', parts: [{ functionResponse: { name: 'f', response: { output: 'gemresult' } } }] },
      ],
    }),
    response: JSON.stringify(gemini({ text: 'secretthought', thought: true }, { text: 'gemanswer' })),
  },
  geminiStream: {
    row: { dialect: 'gemini', streamed: true },
    response: [gemini({ text: 'streamg' }), gemini({ text: 'em' }), gemini({ functionCall: { args: { q: 'arggem' } } })]
      .map((response) => `data: ${JSON.stringify(response)}\r\n\r\n`)
      .join(''),
  },
  geminiArray: {
    row: { dialect: 'gemini', streamed: true },
    response: JSON.stringify([gemini({ text: 'arrayg' }), gemini({ text: 'em' })]),
  },
  tensors: {
    row: { dialect: 'oip', operation: 'infer' },
    request: JSON.stringify({ inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: ['tensorasked'] }] }),
    response: JSON.stringify({ outputs: [{ datatype: 'BYTES', shape: [1, 1], data: [['tensoranswer']] }] }),
  },
};

const names = (answered: { body: { items: { id: string }[] } }) =>
  answered.body.items.map(({ id }) => Object.keys(planted).find((name) => planted[name] === id) ?? id);
const list = async (query: string, client = api) => {
  const answered = await client('GET', `/inferences?limit=200&${query}`);
  expect(answered.status, `${query}: ${JSON.stringify(answered.body)}`).toBe(200);
  return names(answered);
};

async function plantAll(client: ApiClient, keep: boolean): Promise<void> {
  await seedGroup(client, 'demo');
  await client('POST', '/groups', { name: 'second' });
  const idOf = async (path: string) => (await client('GET', path)).body.id as string;
  const own = { demo: await idOf('/groups/demo'), second: await idOf('/groups/second') };
  const key = (await client('POST', '/keys', { name: 'helpdesk' })).body.id as string;
  if (keep) Object.assign(groups, own);
  if (keep) keys['helpdesk'] = key;
  for (const [index, [name, { group = 'demo', ...row }]] of Object.entries(ROWS).entries()) {
    const id = await plantInference(control.admin, {
      ...row,
      ...(name === 'keyed' ? { row: { key_id: key } } : {}),
      groupId: own[group as 'demo' | 'second'],
      organizationId: client.organizationId,
      atMs: now - index * HOUR,
    });
    if (keep) planted[name] = id;
  }
}

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  rival = await control.owner('rival');
  await plantAll(api, true);
  await plantAll(rival, false);
});
afterAll(() => control.stop());

const all = Object.keys(ROWS);

/** Query → names of the rows that it must give, newest first. */
const CASES: Record<string, string[]> = {
  '': all,
  'group=second': ['second'],
  'group=second,demo': all,
  'variant=b': ['challenger'],
  'servedVariant=c': ['fallen'],
  'role=challenger': ['challenger'],
  'role=champion': ['champion'],
  'key=helpdesk': ['keyed'],
  [`unit=${encodeURIComponent('Ünit ☃ '.repeat(100))}`]: ['unit'],
  'status=429': ['refused'],
  'status=5xx': ['broken'],
  'status=503': [],
  'outcome=failed': ['refused', 'broken'],
  'outcome=client_closed': ['left'],
  'errorCode=upstream_error': ['broken'],
  'model=b': ['challenger'],
  'model=up-a&variant=b': ['challenger'],
  'operation=embeddings': ['embedding'],
  'operation=infer': ['tensors'],
  'dialect=anthropic': ['anthropic', 'anthropicStream'],
  'dialect=gemini&streamed=false': ['gemini'],
  'dialect=openai-responses&operation=chat': ['responses', 'responsesStream'],
  'finishReason=length': ['long'],
  'streamed=true&dialect=openai-chat': ['streamed', 'events'],
  'streamed=false&finishReason=length': ['long'],
  'latencyFromMs=9000': ['slow'],
  'latencyToMs=2.9': [],
  'firstTokenFromMs=700&firstTokenToMs=700': ['streamed'],
  'inputTokensFrom=5000': ['wordy'],
  'inputTokensTo=2': [],
  'outputTokensFrom=70&outputTokensTo=70': ['wordy'],
  'costFromMicroUsd=12345&costToMicroUsd=12345': ['dear'],
  [`traceId=${TRACE}`]: ['traced'],
  'metadata.tenant=acme': ['acme'],
  'metadata.tenant=nobody': [],
  [`metadata=${encodeURIComponent('{"plan":{"seats":3}}')}`]: ['acme'],
  [`metadata=${encodeURIComponent('{"tags":["y"]}')}&metadata.tenant=acme`]: ['acme'],
  'metadata.tenant=acme&variant=b': [],
  'metadata.tenant=acme&unit=u': ['acme'],
  'q=refund': ['spoken'],
  'q=REFUND -zürich': [],
  'q=%22on its way%22': ['spoken'],
  'q=assistant': [],
  'q=quux': ['parts'],
  [`q=${encodeURIComponent('Grüße')}`]: ['escaped'],
  'q=hello': ['events'],
  'q=unfinished or refund': ['spoken', 'cut'],
  'q=xyzzy': ['bytes'],
  'q=refund&unit=u': ['spoken'],
  'q=refund&outcome=failed': [],
  'q=refund&metadata.tenant=acme': [],
  'q=refund&order=asc': ['spoken'],
  'q=anthrosystem anthroasked anthrocalled anthroresult anthroanswer anthrowants': ['anthropic'],
  'q=streamanthro arganthro': ['anthropicStream'],
  'q=respinstructions respasked respcalled respresult respanswer respwants': ['responses'],
  'q=streamresp argresp': ['responsesStream'],
  'q=gemsystem gemasked gemcalled gemresult gemanswer': ['gemini'],
  'q=streamgem arggem': ['geminiStream'],
  'q=arraygem': ['geminiArray'],
  'q=tensorasked tensoranswer': ['tensors'],
  'q=secretthought or base64word or input_text or content_block_start': [],
};

describe('filters', () => {
  for (const [query, expected] of Object.entries(CASES)) {
    test(query === '' ? 'none' : query.slice(0, 60), async () => {
      expect(await list(query)).toEqual(expected);
      // The other organization has the same rows, and none of ours; ours are never among its.
      const foreign = await list(query, rival);
      expect(foreign).toHaveLength(expected.length);
      expect(foreign.some((name) => name in planted)).toBe(false);
    });
  }

  test('key by id, group by id, time', async () => {
    expect(await list(`key=${keys['helpdesk']}`)).toEqual(['keyed']);
    expect(await list(`group=${groups['second']}`)).toEqual(['second']);
    const at = (index: number) => new Date(now - index * HOUR).toISOString();
    expect(await list(`since=${at(3)}&until=${at(1)}`)).toEqual(all.slice(2, 4));
    expect(await list(`key=helpdesk&since=${at(3)}`)).toEqual([]);
  });

  test('what is wrong names its field', async () => {
    for (const [query, field] of [
      ['group=demo,nobody', 'group'],
      ['group=,', 'group'],
      ['key=nobody', 'key'],
      ['role=king', 'role'],
      ['errorCode=oops', 'errorCode'],
      ['traceId=xyz', 'traceId'],
      ['streamed=maybe', 'streamed'],
      ['dialect=latin', 'dialect'],
      ['latencyFromMs=-1', 'latencyFromMs'],
      ['inputTokensTo=1.5', 'inputTokensTo'],
      ['metadata=[1]', 'metadata'],
      ['metadata={', 'metadata'],
      [`metadata=${encodeURIComponent('{"a":"\\u0000"}')}`, 'metadata'],
      [`metadata=${encodeURIComponent(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`)}`, 'metadata'],
      ['metadata.=1', 'metadata.'],
      ['q=%20', 'q'],
      ['sort=size', 'sort'],
      ['colour=red', 'colour'],
      ['unit=a%00b', 'unit'],
      ['traceId=%00', 'traceId'],
      ['model=%00', 'model'],
      ['finishReason=%00', 'finishReason'],
      ['q=%00', 'q'],
      ['key=%00', 'key'],
      ['group=%00', 'group'],
      ['metadata=%7B%22a%22:%22%00%22%7D', 'metadata'],
      ['metadata.a=%00', 'metadata.a'],
      ['sort=latency', 'sort'],
      ['sort=cost&group=demo,second', 'sort'],
    ]) {
      expect(await api('GET', `/inferences?${query}`), query).toMatchObject({ status: 422, body: { field } });
    }
    expect((await rival('GET', `/inferences?group=${groups['demo']}`)).status).toBe(422);
    expect((await rival('GET', `/inferences?key=${keys['helpdesk']}`)).status).toBe(422);
  });
});

describe('order', () => {
  const pages = async (query: string) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await api('GET', `/inferences?limit=7&${query}${cursor === null ? '' : `&cursor=${cursor}`}`);
      expect(page.status, JSON.stringify(page.body)).toBe(200);
      seen.push(...names(page));
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    return seen;
  };

  test('every sort pages without a gap or a repetition, both ways', async () => {
    const since = new Date(now - 1000 * HOUR).toISOString();
    for (const sort of ['time', 'latency', 'tokens', 'cost']) {
      const down = await pages(`sort=${sort}&since=${since}`);
      expect([...down].sort(), sort).toEqual([...all].sort());
      expect(await pages(`sort=${sort}&since=${since}&order=asc`), sort).toEqual(down.toReversed());
    }
    expect(await pages('order=asc')).toEqual(all.toReversed());
    expect((await pages(`sort=latency&since=${since}`))[0]).toBe('slow');
    expect((await pages(`sort=tokens&group=demo`))[0]).toBe('wordy');
    expect((await pages(`sort=cost&group=demo`))[0]).toBe('dear');
  });

  test('searches page too', async () => {
    const found = ['metadata=%7B%7D', 'q=refund or quux or hello or unfinished'];
    expect(await pages(found[0]!)).toEqual(['acme', 'globex']);
    expect(await pages(found[1]!)).toEqual(['spoken', 'parts', 'events', 'cut']);
    const one = await api('GET', `/inferences?limit=1&${found[1]}`);
    expect(names(await api('GET', `/inferences?limit=2&${found[1]}&cursor=${one.body.nextCursor}`))).toEqual([
      'parts',
      'events',
    ]);
  });

  test('a cursor holds for its filter and order only', async () => {
    const { nextCursor } = (await api('GET', '/inferences?limit=1&group=demo')).body;
    expect((await api('GET', `/inferences?limit=9&group=demo&cursor=${nextCursor}`)).status).toBe(200);
    for (const query of [
      '',
      'group=second',
      'group=demo&variant=a',
      'group=demo&order=asc',
      'group=demo&metadata.a=b',
    ]) {
      expect(await api('GET', `/inferences?limit=1&${query}&cursor=${nextCursor}`), query).toMatchObject({
        status: 400,
        body: { type: 'urn:ringside:problem:bad_request', field: 'cursor' },
      });
    }
    const sorted = (await api('GET', '/inferences?limit=1&group=demo&sort=latency')).body.nextCursor;
    const [of, id] = JSON.parse(Buffer.from(sorted, 'base64url').toString());
    for (const value of [1.5, 1e30]) {
      const forged = Buffer.from(JSON.stringify([of, id, value])).toString('base64url');
      expect(
        await api('GET', `/inferences?limit=1&group=demo&sort=latency&cursor=${forged}`),
        `${value}`,
      ).toMatchObject({
        status: 422,
        body: { field: 'cursor' },
      });
    }
    for (const cursor of ['x', Buffer.from('["a"]').toString('base64url'), Buffer.from('{}').toString('base64url')]) {
      expect(await api('GET', `/inferences?group=demo&cursor=${cursor}`)).toMatchObject({
        status: 422,
        body: { field: 'cursor' },
      });
    }
  });
});

describe('the database itself', () => {
  const as = (client: ApiClient, statement: string) =>
    inOrganization(
      control.application,
      client.organizationId,
      async (tx) => (await sql.raw(statement).execute(tx)).rows,
    );
  const call = (group: string, more: string) =>
    `SELECT * FROM search_inferences(ARRAY['${group}']::uuid[], ${more}, NULL, NULL, NULL, NULL, 10)`;

  test('the search function answers for its own groups only', async () => {
    for (const more of [`'{"tenant":"acme"}', NULL`, `NULL, 'refund'`]) {
      expect(await as(api, call(groups['demo']!, more))).toHaveLength(1);
      await expect(as(rival, call(groups['demo']!, more))).rejects.toThrow('not of this organization');
      await expect(as(rival, call(randomUUID(), more))).rejects.toThrow('not of this organization');
    }
    const find = `SELECT * FROM find_inferences(ARRAY['${groups['demo']}']::uuid[], '{"text":"refund"}', NULL, NULL, NULL, NULL, 10)`;
    expect(await as(api, find)).toHaveLength(1);
    await expect(as(rival, find)).rejects.toThrow('not of this organization');
    await expect(sql.raw(find).execute(control.application)).rejects.toThrow('not of this organization');
    // Without an organization nobody owns anything.
    await expect(sql.raw(call(groups['demo']!, `NULL, 'refund'`)).execute(control.application)).rejects.toThrow();
    await expect(sql`SELECT ringside.index_closed_partition()`.execute(control.application)).rejects.toThrow(
      'permission denied',
    );
  });

  test('row-level security holds where the application forgets its own filter', async () => {
    const [{ count }] = (await as(rival, `SELECT count(*) FROM inferences WHERE group_id = '${groups['demo']}'`)) as {
      count: number;
    }[] as [{ count: number }];
    expect(count).toBe(0);
  });

  test('ended partitions get their indexes once, and searches still find everything', async () => {
    const old = await plantInference(control.admin, {
      groupId: groups['demo']!,
      organizationId: api.organizationId,
      atMs: now - 60 * 24 * HOUR,
      request: chat('an ancient xylophone'),
    });
    const leader = () =>
      control.admin.transaction().execute(async (tx) => {
        await sql`SET LOCAL ROLE ringside_leader`.execute(tx);
        const { rows } = await sql<{ name: string | null }>`SELECT ringside.index_closed_partition() AS name`.execute(
          tx,
        );
        return rows[0]!.name;
      });
    const indexed: string[] = [];
    for (let name = await leader(); name !== null; name = await leader()) indexed.push(name);
    expect(indexed.length).toBeGreaterThanOrEqual(2);
    expect(new Set(indexed).size).toBe(indexed.length);
    const { rows } = await sql<{
      count: number;
    }>`SELECT count(*) FROM pg_indexes WHERE schemaname = 'ringside' AND indexdef LIKE '%payload_search%'`.execute(
      control.admin,
    );
    expect(rows[0]!.count).toBeGreaterThanOrEqual(1);
    expect((await api('GET', '/inferences?q=xylophone')).body.items.map(({ id }: { id: string }) => id)).toEqual([old]);
    expect(await list('q=refund')).toEqual(['spoken']);
    await sql`DELETE FROM ringside.inferences WHERE id = ${old}`.execute(control.admin);
  });

  test('a read that takes too long says how to ask for less', async () => {
    await control.admin.transaction().execute(async (tx) => {
      // Whoever reads the table waits, as on a very large one.
      await sql`LOCK TABLE ringside.inferences IN ACCESS EXCLUSIVE MODE`.execute(tx);
      const answered = await api('GET', '/inferences?group=demo');
      expect(answered).toMatchObject({ status: 422, body: { field: 'since' } });
      expect(answered.body.detail).toContain('name a group, or a shorter time');
    });
  });
});
