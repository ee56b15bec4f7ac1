import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { UpstreamFailure } from '#gateway/upstream/failures.ts';
import type { UpstreamCall, UpstreamController, UpstreamHandler } from '#gateway/upstream/handler.ts';
import type { TokenGrant } from '#gateway/upstream/token-grant.ts';
import { createTokenSources, type TakenToken } from '#gateway/upstream/token-source.ts';

const S = 1_000;
const MINUTE = 60 * S;
const CANARY = 'planted-canary-of-a-secret';

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const grantOf = (changes: Partial<TokenGrant> = {}): TokenGrant => ({
  ...{
    providerId: 'id-1',
    providerName: 'vertex',
    credentials: 'sealed-1',
    firstByteTimeoutMs: 30 * S,
    deadlineMs: 35 * S,
  },
  endpoint: { key: 'k', origin: 'https://tokens.example', connectTimeoutMs: 5 * S },
  head: Buffer.from('POST /token HTTP/1.1\r\n'),
  writeBody: (unixMs) => `assertion=${CANARY}-${unixMs}`,
  ...changes,
});

/** A token server that is a function; each fetch waits until the test answers it. */
function rig() {
  const fetches: { body: string; handler: UpstreamHandler; aborted: boolean }[] = [];
  const logged: string[] = [];
  const defects: unknown[] = [];
  let uniform = 1;
  let refuse: Error | null = null;
  const sources = createTokenSources({
    upstream: {
      dispatch(call: UpstreamCall, handler: UpstreamHandler) {
        if (refuse !== null) throw refuse;
        const fetch = { body: Buffer.concat(call.body).toString(), handler, aborted: false };
        fetches.push(fetch);
        const abort = () => {
          fetch.aborted = true;
        };
        handler.onRequestStart({ ...STEERS_NOTHING, abort });
      },
      close: () => undefined,
    },
    ...{ unixMs: () => Date.now(), nowMs: () => Date.now(), uniform: () => uniform },
    log: (line) => void logged.push(line),
    onDefect: (defect) => void defects.push(defect),
  });
  const answer = (body: string, status = 200, fetch = fetches.at(-1)!) => {
    fetch.handler.onResponseStart(STEERS_NOTHING, status, {});
    fetch.handler.onResponseData(STEERS_NOTHING, Buffer.from(body));
    fetch.handler.onResponseEnd(STEERS_NOTHING);
  };
  return {
    ...{ sources, fetches, logged, defects, answer },
    gives: (token: string, lifeS = 3_600, rest: object = {}) =>
      answer(JSON.stringify({ access_token: token, expires_in: lifeS, ...rest })),
    fails: (error: Error) => fetches.at(-1)!.handler.onResponseError(STEERS_NOTHING, error),
    take(grant = grantOf()) {
      const taken: TakenToken[] = [];
      const forget = sources.take(grant, (each) => void taken.push(each));
      return { taken, forget };
    },
    setUniform(value: number) {
      uniform = value;
    },
    refuseCalls(error: Error | null) {
      refuse = error;
    },
  };
}
const STEERS_NOTHING: UpstreamController = { abort: () => undefined, pause: () => undefined, resume: () => undefined };
const messageOf = (taken: TakenToken | undefined) => (taken instanceof RingsideError ? taken.message : taken);

describe('a token', () => {
  test('is fetched once for all that wait, and then given at once', () => {
    const { take, fetches, gives } = rig();
    const [first, second] = [take(), take()];
    expect(fetches.map(({ body }) => body)).toEqual([`assertion=${CANARY}-0`]);
    expect([first.taken, second.taken]).toEqual([[], []]);
    gives('t1');
    expect([first.taken, second.taken, take().taken]).toEqual([['t1'], ['t1'], ['t1']]);
    expect(fetches).toHaveLength(1);
  });

  test('is not given to a caller that has left', () => {
    const { take, gives } = rig();
    const [leaver, stayer] = [take(), take()];
    leaver.forget();
    gives('t1');
    expect([leaver.taken, stayer.taken]).toEqual([[], ['t1']]);
  });

  test('is renewed five minutes ahead of its end, while it still serves', () => {
    const { take, gives, fetches } = rig();
    take();
    gives('t1');
    vi.setSystemTime(55 * MINUTE - 1);
    expect(take().taken).toEqual(['t1']);
    expect(fetches).toHaveLength(1);
    vi.setSystemTime(55 * MINUTE);
    expect([take().taken, take().taken]).toEqual([['t1'], ['t1']]);
    expect(fetches).toHaveLength(2);
    gives('t2');
    expect(take().taken).toEqual(['t2']);
    expect(fetches).toHaveLength(2);
  });

  test('is renewed when the server says, and a short-lived one at half of its life', () => {
    const said = rig();
    said.take();
    said.gives('t1', 86_400, { refresh_in: 43_200 });
    vi.setSystemTime(43_200 * S);
    said.take();
    expect(said.fetches).toHaveLength(2);
    vi.setSystemTime(0);
    const short = rig();
    short.take();
    short.gives('t1', 20);
    vi.setSystemTime(10 * S - 1);
    expect([short.take().taken, short.fetches.length]).toEqual([['t1'], 1]);
    vi.setSystemTime(10 * S);
    expect([short.take().taken, short.fetches.length]).toEqual([['t1'], 2]);
  });

  test('is not used in its last minute', () => {
    const { take, gives } = rig();
    take();
    gives('t1');
    vi.setSystemTime(59 * MINUTE - 1);
    expect(take().taken).toEqual(['t1']);
    vi.setSystemTime(59 * MINUTE);
    const late = take();
    expect(late.taken).toEqual([]);
    gives('t2');
    expect(late.taken).toEqual(['t2']);
  });

  test('belongs to its provider and its credentials', () => {
    const { take, gives, fetches } = rig();
    take();
    gives('t1');
    const other = take(grantOf({ providerId: 'id-2' }));
    gives('of-2');
    expect(other.taken).toEqual(['of-2']);
    const replaced = take(grantOf({ credentials: 'sealed-2' }));
    expect(replaced.taken).toEqual([]);
    gives('t2');
    expect([replaced.taken, take(grantOf({ credentials: 'sealed-2' })).taken]).toEqual([['t2'], ['t2']]);
    expect(fetches).toHaveLength(3);
  });
});

describe('a fetch that fails', () => {
  const refused = () => new UpstreamFailure('RINGSIDE_CLOSED', 'closed');

  test('fails all that wait, and calls behind it at once until the next attempt is due', () => {
    const { take, fails, gives, fetches, logged } = rig();
    const [first, second] = [take(), take()];
    fails(refused());
    const message = 'The token server of the provider "vertex" closed the connection before its answer was complete.';
    expect([messageOf(first.taken[0]), messageOf(second.taken[0])]).toEqual([message, message]);
    expect(first.taken[0]).toMatchObject({ code: 'upstream_unreachable', status: 502 });
    vi.setSystemTime(S - 1);
    expect(take().taken[0]).toMatchObject({ code: 'upstream_unreachable', message, retryAfterSeconds: 1 });
    expect(fetches).toHaveLength(1);
    vi.setSystemTime(S);
    const again = take();
    expect(fetches).toHaveLength(2);
    gives('t1');
    expect(again.taken).toEqual(['t1']);
    expect(logged).toEqual([
      `no access token for the provider "vertex": ${message}`,
      'the provider "vertex" has an access token again',
    ]);
  });

  test('is tried again after a time that doubles up to a minute, the half of it by chance', () => {
    const { take, fails, setUniform, fetches } = rig();
    setUniform(0);
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt++) {
      take();
      expect(fetches).toHaveLength(attempt);
      fails(refused());
      const from = Date.now();
      const said = (take().taken[0] as RingsideError).retryAfterSeconds!;
      vi.setSystemTime(from + said * S);
      waits.push(said);
    }
    expect(waits).toEqual([1, 1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test('ahead of the end leaves the token in use, with one attempt at a time', () => {
    const { take, gives, fails, fetches } = rig();
    take();
    gives('t1');
    vi.setSystemTime(56 * MINUTE);
    take();
    fails(refused());
    expect([take().taken, fetches.length]).toEqual([['t1'], 2]);
    vi.setSystemTime(56 * MINUTE + S);
    expect([take().taken, fetches.length]).toEqual([['t1'], 3]);
    gives('t2');
    expect(take().taken).toEqual(['t2']);
  });

  test('may fail before it is sent: an address that is not allowed, a body that cannot be written', () => {
    const { take, refuseCalls, defects } = rig();
    refuseCalls(new UpstreamFailure('RINGSIDE_FORBIDDEN_ADDRESS', 'no'));
    expect(messageOf(take().taken[0])).toBe(
      'The token server of the provider "vertex" has an address that RINGSIDE_PRIVATE_UPSTREAMS does not allow.',
    );
    vi.setSystemTime(MINUTE);
    refuseCalls(null);
    const defect = new TypeError('a defect');
    const broken = grantOf({
      writeBody: () => {
        throw defect;
      },
    });
    expect(take(broken).taken[0]).toMatchObject({ code: 'internal' });
    expect(defects).toEqual([defect]);
  });

  test('has a deadline as a whole, however much comes meanwhile', () => {
    const { take, fetches } = rig();
    const { taken } = take();
    const { handler } = fetches[0]!;
    handler.onResponseStart(STEERS_NOTHING, 200, {});
    for (let at = 0; at < 34; at++) {
      vi.advanceTimersByTime(S);
      handler.onResponseData(STEERS_NOTHING, Buffer.from(' '));
    }
    expect(taken).toEqual([]);
    vi.advanceTimersByTime(S);
    expect(taken[0]).toMatchObject({
      code: 'upstream_unreachable',
      message: 'The token server of the provider "vertex" did not answer in time.',
    });
    expect(fetches[0]!.aborted).toBe(true);
    handler.onResponseError(STEERS_NOTHING, new Error('aborted'));
    expect(taken).toHaveLength(1);
  });

  test.each<[string, (fetch: ReturnType<typeof rig>) => void, string]>([
    [
      'a refusal',
      ({ answer }) => answer(`{"error":"invalid_grant","error_description":"${CANARY}"}`, 400),
      'gave no token (status 400: invalid_grant).',
    ],
    ['a refusal in other words', ({ answer }) => answer(`{"error":"${CANARY}"}`, 500), 'gave no token (status 500).'],
    ['a redirect', ({ answer }) => answer('', 302), 'gave no token (status 302).'],
    ['a page', ({ answer }) => answer(`<html>${CANARY}`), 'sent something else than a token.'],
    [
      'a header in the token',
      ({ answer }) => answer('{"access_token":"a\\r\\nx: y","expires_in":60}'),
      'sent something else than a token.',
    ],
    ['no end', ({ answer }) => answer('{"access_token":"a"}'), 'sent something else than a token.'],
    [
      'an end in the past',
      ({ answer }) => answer('{"access_token":"a","expires_in":-1}'),
      'sent something else than a token.',
    ],
    [
      'an end without end',
      ({ answer }) => answer('{"access_token":"a","expires_in":1e400}'),
      'sent something else than a token.',
    ],
    [
      'another type',
      ({ answer }) => answer('{"access_token":"a","expires_in":9,"token_type":"mac"}'),
      'sent something else than a token.',
    ],
    ['too much', ({ answer }) => answer(' '.repeat(70_000)), 'sent something else than a token.'],
    [
      'what is compressed',
      ({ fetches }) => fetches[0]!.handler.onResponseStart(STEERS_NOTHING, 200, { 'content-encoding': 'gzip' }),
      'sent something else than a token.',
    ],
  ])('%s: says so without a word of the server’s', (_, happens, said) => {
    const fetch = rig();
    const { taken } = fetch.take();
    happens(fetch);
    expect(taken[0]).toMatchObject({
      code: 'upstream_error',
      message: `The token server of the provider "vertex" ${said}`,
    });
    expect(
      JSON.stringify([taken, fetch.logged, String(taken[0]), taken[0] instanceof Error && taken[0].cause]),
    ).not.toContain(CANARY);
    expect(fetch.defects).toEqual([]);
  });

  test('a caller that throws does not keep the token from the others', () => {
    const { sources, take, gives, defects } = rig();
    const defect = new Error('a defect');
    sources.take(grantOf(), () => {
      throw defect;
    });
    const { taken } = take();
    gives('t1');
    expect([taken, defects]).toEqual([['t1'], [defect]]);
  });
});

describe('a token that the provider does not accept', () => {
  test('is renewed once, whatever the number of calls that carried it', () => {
    const { take, gives, sources, fetches } = rig();
    take();
    gives('t1');
    vi.setSystemTime(MINUTE);
    sources.rejected(grantOf(), 't1');
    sources.rejected(grantOf(), 't1');
    expect(fetches).toHaveLength(2);
    const waiting = take();
    expect(waiting.taken).toEqual([]);
    gives('t2');
    expect(waiting.taken).toEqual(['t2']);
    sources.rejected(grantOf(), 't1');
    sources.rejected(grantOf(), 't2');
    expect([take().taken, fetches.length]).toEqual([['t2'], 2]);
  });

  test('is renewed again after a minute', () => {
    const { take, gives, sources, fetches } = rig();
    take();
    gives('t1');
    sources.rejected(grantOf(), 't1');
    gives('t2');
    vi.setSystemTime(MINUTE);
    sources.rejected(grantOf(), 't2');
    expect(fetches).toHaveLength(3);
  });

  test('of credentials that were replaced concerns nobody', () => {
    const { take, gives, sources, fetches } = rig();
    take(grantOf({ credentials: 'new' }));
    gives('t1');
    sources.rejected(grantOf(), 't1');
    sources.rejected(grantOf({ providerId: 'unknown' }), 't1');
    expect([take(grantOf({ credentials: 'new' })).taken, fetches.length]).toEqual([['t1'], 1]);
  });
});
