import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transportFailure } from '#gateway/upstream/failures.ts';
import { CallLog, callTo, createClient, listen } from '../support/upstream-client.ts';
import { waitFor } from '../support/wait.ts';

/** The client on real sockets. `answer` says what the HTTP server does, `talk` what the raw one does with each request's bytes. */
let client: ReturnType<typeof createClient>;
let http: HttpServer;
let raw: Server;
let httpOrigin: string;
let rawOrigin: string;
let sockets: Socket[];
let answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
let talk: (socket: Socket, bytes: string) => void;

beforeEach(async () => {
  client = createClient();
  sockets = [];
  http = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => answer(request, response, Buffer.concat(pieces)));
  });
  raw = net.createServer((socket) => {
    socket.on('data', (bytes) => talk(socket, bytes.toString('latin1'))).on('error', () => undefined);
  });
  for (const server of [http, raw]) server.on('connection', (socket: Socket) => sockets.push(socket));
  httpOrigin = await listen(http);
  rawOrigin = await listen(raw);
});
afterEach(async () => {
  client.pools.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all([http, raw].map((server) => new Promise((done) => server.close(done))));
});

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const ok: typeof talk = (socket) => socket.write(OK);
const gone = (socket: Socket) => waitFor('the connection to close', () => socket.destroyed);
const publicMessage = (log: CallLog) => {
  const error = transportFailure(log.error, 'acme');
  return `${error.code}: ${error.message}`;
};

describe('requests', () => {
  test('head and body as they were given, large and in pieces too', async () => {
    let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer } | null = null;
    answer = ({ method, url, headers }, response, body) => {
      seen = { method: method!, url: url!, headers, body };
      response.writeHead(200, { 'x-request-id': 'r1', 'x-other': 'not read' }).end('ok');
    };
    for (const bytes of [0, 1, 65_535, 65_536, 65_537, 3_000_000]) {
      const body = [
        Buffer.alloc(Math.floor(bytes / 3), 'a'),
        Buffer.alloc(0),
        Buffer.alloc(bytes - Math.floor(bytes / 3), 'b'),
      ];
      const log = await client.send(httpOrigin, { body, headers: [['tracestate', 'a=\xe4']] }).over;
      expect(log).toMatchObject({ events: ['start', 'head', 'data', 'end'], status: 200, body: 'ok' });
      expect(log.headers['x-request-id']).toBe('r1');
      expect('x-other' in log.headers).toBe(false);
      expect(seen).toMatchObject({ method: 'POST', url: '/v1/x' });
      expect(seen!.body.equals(Buffer.concat(body))).toBe(true);
      expect(seen!.headers).toEqual({
        host: httpOrigin.slice(7),
        connection: 'keep-alive',
        'content-type': 'application/json',
        tracestate: 'a=\xe4',
        'content-length': String(bytes),
      });
    }
    expect(sockets).toHaveLength(1);
  });

  test('a length that is not the body’s: nothing is sent', async () => {
    talk = () => expect.unreachable();
    const log = new CallLog();
    client.pools.dispatch({ ...callTo(rawOrigin), bodyBytes: 3 }, log, performance.now());
    expect(publicMessage(await log.over)).toBe('internal: The gateway failed to handle this request.');
  });

  test('a small request is one write', async () => {
    const reads: string[] = [];
    talk = (socket, bytes) => {
      reads.push(bytes);
      ok(socket, bytes);
    };
    await client.send(rawOrigin).over;
    expect(reads).toEqual([
      expect.stringMatching(/^POST \/v1\/x HTTP\/1\.1\r\n[\s\S]*\r\ncontent-length: 2\r\n\r\n\{\}$/),
    ]);
  });
});

describe('connections', () => {
  test('are used again, the last one first, and one call at a time', async () => {
    const held: ServerResponse[] = [];
    answer = (_, response) => held.push(response);
    const three = [1, 2, 3].map(() => client.send(httpOrigin));
    await waitFor('three requests', () => held.length === 3);
    for (const response of held.splice(0)) response.end('ok');
    await Promise.all(three.map((log) => log.over));
    expect(sockets).toHaveLength(3);
    const used: (number | undefined)[] = [];
    answer = (request, response) => {
      used.push(request.socket.remotePort);
      response.end('ok');
    };
    for (let i = 0; i < 5; i++) await client.send(httpOrigin).over;
    expect(new Set(used).size).toBe(1);
    expect(sockets).toHaveLength(3);
  });

  test('a handler may send the next call from its end: the same connection takes it', async () => {
    talk = ok;
    let next: CallLog | null = null;
    await client.send(rawOrigin, {}, (log) => {
      log.on = (event) => {
        if (event === 'end') next = client.send(rawOrigin);
      };
    }).over;
    expect((await next!.over).events).toEqual(['start', 'head', 'data', 'end']);
    expect(sockets).toHaveLength(1);
  });

  test.each([
    ['connection: close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['keep-alive: timeout=1', 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok'],
    ['bytes behind the answer', `${OK}${OK}`],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
  ])('are not used again after %s', async (_, text) => {
    talk = (socket) => socket.write(text);
    for (let i = 1; i <= 2; i++) {
      expect(await client.send(rawOrigin).over).toMatchObject({ body: 'ok', status: 200 });
      await gone(sockets[i - 1]!);
    }
    expect(sockets).toHaveLength(2);
  });

  test('are bounded for each endpoint: one more call is refused, and taken again when there is room', async () => {
    const few = createClient('127.0.0.0/8', 2);
    const held: ServerResponse[] = [];
    answer = (_, response) => held.push(response);
    const two = [few.send(httpOrigin), few.send(httpOrigin)];
    let reason: unknown;
    try {
      few.send(httpOrigin);
    } catch (full) {
      reason = full;
    }
    expect(transportFailure(reason, 'acme')).toMatchObject({ code: 'overloaded', status: 503, retryAfterSeconds: 1 });
    talk = ok;
    expect((await few.send(rawOrigin).over).status).toBe(200);
    await waitFor('two requests', () => held.length === 2);
    held.shift()!.end('ok');
    await Promise.race(two.map((log) => log.over));
    const third = few.send(httpOrigin);
    await waitFor('the third request', () => held.length === 2);
    for (const response of held) response.end('ok');
    expect(await third.over).toMatchObject({ status: 200, body: 'ok' });
    few.pools.close();
  });

  test('leave at the end of the turn in which they came; one that is aborted before is never sent', async () => {
    answer = (_request, response) => void response.end('ok');
    // Two connections that are open and idle.
    await Promise.all([client.send(httpOrigin).over, client.send(httpOrigin).over]);
    const seen: unknown[] = [];
    answer = (request, response) => {
      seen.push(request.headers['tracestate']);
      response.end('ok');
    };
    const kept = client.send(httpOrigin, { headers: [['tracestate', 'kept']] });
    const dropped = client.send(httpOrigin, { headers: [['tracestate', 'dropped']] }, (log) => {
      log.on = (event) => {
        if (event === 'start') log.controller!.abort(new Error('no longer wanted'));
      };
    });
    expect((await dropped.over).events).toEqual(['start', 'error']);
    expect((await kept.over).body).toBe('ok');
    expect((await client.send(httpOrigin, { headers: [['tracestate', 'next']] }).over).body).toBe('ok');
    expect(seen).toEqual(['kept', 'next']);
  });

  test('an answer that nobody asked for closes an idle connection and reaches no call', async () => {
    talk = ok;
    await client.send(rawOrigin).over;
    sockets[0]!.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil');
    await gone(sockets[0]!);
    expect((await client.send(rawOrigin).over).body).toBe('ok');
    expect(sockets).toHaveLength(2);
  });

  test.each([
    'end',
    'destroy',
    'resetAndDestroy',
  ] as const)('an idle connection that the server ends (%s) is forgotten', async (how) => {
    talk = ok;
    const ours: Socket[] = [];
    const onSocket = (message: unknown) => void ours.push((message as { socket: Socket }).socket);
    subscribe('net.client.socket', onSocket);
    await client.send(rawOrigin).over;
    unsubscribe('net.client.socket', onSocket);
    expect(ours).toHaveLength(1);
    sockets[0]![how]();
    await gone(ours[0]!);
    expect((await client.send(rawOrigin).over).body).toBe('ok');
    expect(sockets).toHaveLength(2);
  });

  test('an idle connection is not used after 4 s, or 1 s before the end of the time that the server gives, and is closed', async () => {
    talk = ok;
    await client.send(rawOrigin).over;
    client.putForward(3_700);
    await client.send(rawOrigin).over;
    expect(sockets).toHaveLength(1);
    client.putForward(4_001);
    talk = (socket) => socket.write('HTTP/1.1 200 OK\r\nkeep-alive: max=9, timeout=3\r\ncontent-length: 2\r\n\r\nok');
    await client.send(rawOrigin).over;
    expect(sockets).toHaveLength(2);
    await gone(sockets[0]!);
    client.putForward(2_001);
    await gone(sockets[1]!);
  });

  test('an answer before the request was out: the answer is taken, the connection is not', async () => {
    raw.removeAllListeners('connection');
    raw.on('connection', (socket: Socket) => {
      sockets.push(socket);
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno');
      });
    });
    const log = await client.send(rawOrigin, { body: [Buffer.alloc(30_000_000)] }).over;
    expect(log).toMatchObject({ status: 413, body: 'no' });
    sockets[0]!.on('error', () => undefined).resume();
    await gone(sockets[0]!);
  });

  test('close() fails what is in flight', async () => {
    talk = () => client.pools.close();
    const log = await client.send(rawOrigin).over;
    expect(log).toMatchObject({ events: ['start', 'error'], error: { code: 'RINGSIDE_STOPPED' } });
    await gone(sockets[0]!);
  });
});

describe('answers', () => {
  test('1xx are skipped', async () => {
    talk = (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}`);
    expect((await client.send(rawOrigin).over).events).toEqual(['start', 'head', 'data', 'end']);
  });

  test('a stream comes event by event; its connection is used again', async () => {
    answer = (_, response) => {
      response.write('one');
      response.write('two');
      finish = () => response.end('three');
    };
    let finish = () => {};
    const send = () =>
      client.send(httpOrigin, {}, (call) => {
        call.on = () => {
          if (call.body === 'onetwo') finish();
        };
      }).over;
    expect(await send()).toMatchObject({ body: 'onetwothree', events: ['start', 'head', 'data', 'end'] });
    expect((await send()).body).toBe('onetwothree');
    expect(sockets).toHaveLength(1);
  });

  test('without a length it lasts until the server ends it', async () => {
    talk = (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
    expect(await client.send(rawOrigin).over).toMatchObject({
      body: 'all of it',
      events: ['start', 'head', 'data', 'end'],
    });
  });

  test.each([
    ['no answer', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nx: '],
    ['half a body', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok'],
    ['half of the chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n'],
  ])('a server that closes after %s', async (_, text) => {
    talk = (socket) => socket.end(text);
    expect(publicMessage(await client.send(rawOrigin).over)).toBe(
      'upstream_unreachable: The provider "acme" closed the connection before its answer was complete.',
    );
  });

  test('a connection that was used before and dies with the next call: an error, nothing is sent again', async () => {
    talk = ok;
    await client.send(rawOrigin).over;
    let requests = 0;
    talk = (socket) => {
      requests++;
      socket.resetAndDestroy();
    };
    expect(publicMessage(await client.send(rawOrigin).over)).toBe(
      'upstream_unreachable: The provider "acme" reset the connection.',
    );
    expect([requests, sockets.length]).toEqual([1, 1]);
  });

  test('what is not HTTP', async () => {
    talk = (socket) => socket.write('HTTP/1.1 200 OK\nx: y\n\n');
    expect(publicMessage(await client.send(rawOrigin).over)).toBe(
      'upstream_protocol: The provider "acme" sent an answer that is not valid HTTP.',
    );
    await gone(sockets[0]!);
  });
});

describe('deadlines', () => {
  test('first byte: 1xx do not satisfy it', async () => {
    talk = (socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 100);
      socket.on('close', () => clearInterval(timer));
    };
    const begun = performance.now();
    const log = await client.send(rawOrigin, { firstByteTimeoutMs: 300 }).over;
    expect(publicMessage(log)).toBe('upstream_timeout: The provider "acme" did not begin its answer in time.');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(300);
    await gone(sockets[0]!);
  });

  test('idle: each piece begins it anew', async () => {
    answer = (_, response) => {
      let pieces = 0;
      const timer = setInterval(() => {
        response.write('x');
        if (++pieces === 8) clearInterval(timer);
      }, 100);
    };
    const log = await client.send(httpOrigin, { idleTimeoutMs: 400, firstByteTimeoutMs: 5_000 }).over;
    expect(log.body).toBe('xxxxxxxx');
    expect(publicMessage(log)).toBe(
      'upstream_timeout: The provider "acme" stopped sending in the middle of its answer.',
    );
  });

  test('connect', async () => {
    // A server that never answers the TLS handshake.
    talk = () => undefined;
    const log = await client.send(rawOrigin.replace('http', 'https'), { connectTimeoutMs: 200 }).over;
    expect(log.events).toEqual(['error']);
    expect(publicMessage(log)).toBe('upstream_timeout: The provider "acme" did not accept a connection in time.');
    await gone(sockets[0]!);
  });

  test('an upstream that we hold up ourselves does not run into one', async () => {
    const large = 'x'.repeat(4_000_000);
    answer = (_, response) => response.end(large);
    const log = client.send(httpOrigin, { idleTimeoutMs: 250 }, (call) => {
      call.on = (event) => {
        if (event === 'head') call.controller!.pause();
      };
    });
    await waitFor('the head', () => log.events.includes('head'));
    // Two that begin later and whose servers do stop run into theirs one after the other.
    talk = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok');
    for (let calls = 0; calls < 2; calls++) {
      const witness = await client.send(rawOrigin, { idleTimeoutMs: 250 }).over;
      expect(publicMessage(witness)).toContain('stopped sending in the middle of its answer');
    }
    expect(log.events).not.toContain('error');
    expect(log.body.length).toBeLessThan(200_000);
    log.controller!.resume();
    expect((await log.over).body).toBe(large);
    expect(log.events.at(-1)).toBe('end');
  });
});

describe('the controller', () => {
  test.each([
    'start',
    'head',
    'data',
  ])('abort at %s: the error is the reason, nothing follows, the connection closes', async (at) => {
    answer = (_, response) => {
      response.write('x');
    };
    const reason = new Error('enough');
    const log = await client.send(httpOrigin, {}, (call) => {
      call.on = (event) => {
        if (event === at) call.controller!.abort(reason);
      };
    }).over;
    expect(log.error).toBe(reason);
    expect(log.events.slice(-2)).toEqual([at, 'error']);
    await waitFor('the connection', () => sockets.length === 1);
    await gone(sockets[0]!);
  });

  test('does nothing once its call has ended', async () => {
    talk = ok;
    const first = await client.send(rawOrigin).over;
    const held: Socket[] = [];
    talk = (socket) => held.push(socket);
    const second = client.send(rawOrigin);
    await waitFor('the request', () => held.length === 1);
    first.controller!.abort(new Error('too late'));
    first.controller!.pause();
    held[0]!.write(OK);
    expect((await second.over).body).toBe('ok');
    second.controller!.resume();
    expect(sockets).toHaveLength(1);
  });

  test('a connection that was paused at the end of its answer reads again', async () => {
    talk = ok;
    await client.send(rawOrigin, {}, (call) => {
      call.on = (event) => {
        if (event === 'data') call.controller!.pause();
      };
    }).over;
    expect((await client.send(rawOrigin).over).body).toBe('ok');
    expect(sockets).toHaveLength(1);
  });
});

describe('addresses', () => {
  test('a literal that is not allowed is refused before anything is opened', () => {
    const strict = createClient('');
    expect(() => strict.send(rawOrigin)).toThrow(expect.objectContaining({ code: 'RINGSIDE_FORBIDDEN_ADDRESS' }));
    expect(() => strict.send('http://[::1]:1')).toThrow(
      expect.objectContaining({ code: 'RINGSIDE_FORBIDDEN_ADDRESS' }),
    );
    strict.pools.close();
  });

  test('a name is checked by what it resolves to', async () => {
    const origin = rawOrigin.replace('127.0.0.1', 'localhost');
    const strict = createClient('');
    const refused = await strict.send(origin).over;
    expect(publicMessage(refused)).toBe(
      'upstream_unreachable: The provider "acme" has an address that RINGSIDE_PRIVATE_UPSTREAMS does not allow.',
    );
    strict.pools.close();
    talk = ok;
    expect((await client.send(origin).over).body).toBe('ok');
    expect(sockets).toHaveLength(1);
  });

  test('a port where nobody listens', async () => {
    const closed = net.createServer();
    const origin = await listen(closed);
    await new Promise((done) => closed.close(done));
    expect(publicMessage(await client.send(origin).over)).toBe(
      'upstream_unreachable: The provider "acme" refused the connection.',
    );
  });
});
