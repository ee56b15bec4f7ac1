import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The import directions of docs/architecture.md, checked on every file. */
const ROOT = resolve(import.meta.dirname, '../..');
const ROOMS = [
  'core',
  'translation',
  'store',
  'inference-log',
  'gateway',
  'control-plane',
  'simulator',
  'cli',
  'migrations',
] as const;

interface Import {
  readonly file: string;
  /** A path from the root for our own files, else a package name. */
  readonly target: string;
}

const files = ROOMS.flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(room, file)),
);
const imports: Import[] = files.flatMap((file) => {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const specifiers = [...source.matchAll(/(?<![$'.\w])(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
  return specifiers.map((specifier) => ({ file, target: targetOf(file, specifier) }));
});

function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (specifier.startsWith('.')) return relative(ROOT, resolve(ROOT, dirname(file), specifier));
  return specifier;
}

const roomOf = (path: string) => ROOMS.find((room) => path.startsWith(`${room}/`));
const offences = (rule: (entry: Import) => boolean) =>
  imports.filter(rule).map(({ file, target }) => `${file} → ${target}`);
const MAY_IMPORT: Record<(typeof ROOMS)[number], readonly string[]> = {
  core: ['core'],
  translation: ['core', 'translation'],
  store: ['core', 'store', 'migrations'],
  'inference-log': ['core', 'store', 'inference-log'],
  gateway: ['core', 'translation', 'store', 'inference-log', 'gateway'],
  'control-plane': ['core', 'translation', 'store', 'inference-log', 'control-plane'],
  simulator: ['simulator'],
  cli: [...ROOMS],
  migrations: [],
};

describe('import directions', () => {
  test('there is something to check', () => expect(imports.length).toBeGreaterThan(200));

  test('rooms import only the rooms below them', () => {
    expect(
      offences(({ file, target }) => {
        const to = roomOf(target);
        return to !== undefined && !MAY_IMPORT[roomOf(file)!].includes(to);
      }),
    ).toEqual([]);
  });

  test('core uses zod and node:crypto; two files also what is pure of another package', () => {
    const exceptions: Record<string, string> = {
      'core/upstream-address.ts': 'node:net',
      'core/redaction/patterns.ts': 're2js',
    };
    const allowed = (file: string, target: string) =>
      ['zod', 'node:crypto'].includes(target) || exceptions[file] === target;
    expect(
      offences(({ file, target }) => roomOf(file) === 'core' && roomOf(target) === undefined && !allowed(file, target)),
    ).toEqual([]);
  });

  test('translation is pure: no package, and of Node what decodes characters', () => {
    expect(
      offences(
        ({ file, target }) =>
          roomOf(file) === 'translation' && roomOf(target) === undefined && target !== 'node:string_decoder',
      ),
    ).toEqual([]);
  });

  test('SQL is spoken in store, migrations and the sinks', () => {
    const speaks = (file: string) => /^(store|migrations|inference-log\/sinks)\//.test(file);
    expect(offences(({ file, target }) => /^(kysely|pg)(\/|$)/.test(target) && !speaks(file))).toEqual([]);
  });

  test('in the gateway, sockets are opened in upstream/connector.ts and listened on by the listener, and closed by the drain', () => {
    const owners = ['gateway/upstream/connector.ts', 'gateway/listener.ts', 'gateway/drain.ts'];
    // Their types may be named.
    const opens = /^import (?!type ).*'node:(net|tls)'|\bimport\('node:(net|tls)'\)/m;
    const found = files
      .filter((file) => file.startsWith('gateway/') && !owners.includes(file))
      .filter((file) => opens.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(found).toEqual([]);
  });

  test('WebSockets are opened in upstream/session-socket.ts; sessions and the simulator speak over them', () => {
    const speaks =
      /^gateway\/(?:realtime\/|flow\/session\.ts|upstream\/session-socket\.ts)|^simulator\/dialects\/openai\/realtime/;
    expect(offences(({ file, target }) => target === 'ws' && !speaks.test(file))).toEqual([]);
    const found = files
      .filter((file) => file.startsWith('gateway/') && file !== 'gateway/upstream/session-socket.ts')
      .filter((file) => /\bnew WebSocket\(/.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(found).toEqual([]);
  });

  test('ioredis is named in files called redis.ts, prom-client and OpenTelemetry in telemetry', () => {
    expect(offences(({ file, target }) => target === 'ioredis' && !file.endsWith('/redis.ts'))).toEqual([]);
    expect(
      offences(({ file, target }) => /^(prom-client|@opentelemetry)/.test(target) && !file.includes('/telemetry/')),
    ).toEqual([]);
  });

  test('no provider or dialect folder imports another', () => {
    const folder = (path: string) =>
      /^(?:gateway|simulator|translation)\/(?:providers|dialects)\/[^/]+\//.exec(path)?.[0];
    expect(
      offences(({ file, target }) => {
        const [from, to] = [folder(file), folder(target)];
        return from !== undefined && to !== undefined && from !== to;
      }),
    ).toEqual([]);
  });

  test('the vocabulary of chats and the wires name no dialect and no provider kind', () => {
    const names = /^(?:gateway|translation)\/(?:dialects|providers)\/[^/]+\//;
    expect(
      offences(({ file, target }) => /^(?:gateway|translation)\/(?:chat|wires)\//.test(file) && names.test(target)),
    ).toEqual([]);
  });

  test('rooms of the flow do not import each other; handle-request.ts and what serves sessions and mirrors do', () => {
    const composers = ['handle-request', 'handle-upgrade', 'session', 'mirror', 'mirror-call'].map(
      (name) => `gateway/flow/${name}.ts`,
    );
    const shared = [
      'ports',
      'body-pool',
      'capture',
      'redacted-capture',
      'open-capture',
      'redact-record',
      'answer-head',
      'end-answer',
      'event-writer',
      'outflow',
      'signs-of-life',
      'upstream-fault',
      'hop-by-hop',
      'unusable-target',
      'header-text',
    ].map((name) => `gateway/flow/${name}.ts`);
    const inFlow = (path: string) => path.startsWith('gateway/flow/');
    expect(
      offences(
        ({ file, target }) => inFlow(file) && inFlow(target) && !composers.includes(file) && !shared.includes(target),
      ),
    ).toEqual([]);
  });

  test('clocks, randomness, the environment and the terminal are used where they are owned', () => {
    const owners: [RegExp, RegExp][] = [
      [/\bDate\.now\(|new Date\(\)/, /clock\.ts$|^gateway\/main\.ts$|^cli\/output\.ts$/],
      [/\bMath\.random\(/, /^$/],
      [/\bprocess\.env\b/, /^cli\/|^store\/postgres-binaries\.ts$/],
      [/\bconsole\./, /^$/],
    ];
    const found = files.flatMap((file) => {
      // Comments may speak of them.
      const source = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      return owners
        .filter(([use, owner]) => use.test(source) && !owner.test(file))
        .map(([use]) => `${file}: ${use.source}`);
    });
    expect(found).toEqual([]);
  });
});
