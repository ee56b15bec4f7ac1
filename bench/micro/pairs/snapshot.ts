import { randomUUID } from 'node:crypto';
import { envelopeContext, type Keyring, open, seal } from '#core/envelope.ts';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY } from '#core/snapshot/log-policy.ts';
import type { SnapshotDocument } from '#core/snapshot/schema.ts';
import { DEFAULT_MAX_OUTPUT_TOKENS } from '#core/snapshot/schema.ts';
import { DEFAULT_SHADOW_POLICY } from '#core/snapshot/shadow-policy.ts';
import { DEFAULT_TRAFFIC_POLICY } from '#core/snapshot/traffic-policy.ts';
import { BUCKETS } from '#core/split/bucket.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import type { Pair } from '../pair.ts';

const GROUPS = 100;
const CREATED_AT = '2026-01-01T00:00:00.000Z';

/** What a new configuration costs a worker, and what it saves every request. */
export function snapshotPairs(): Pair[] {
  const keyring: Keyring = [{ id: 'k1', key: new Uint8Array(32) }];
  const document = documentOf(keyring);
  const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
  const bind = () => bindOrganization({ version: 1, document, series: new Map() }, keyring, timeouts);
  const bound = bind();
  const wanted = document.groups[GROUPS >> 1]!.name;
  return [
    {
      name: `snapshot of ${GROUPS} groups × 2`,
      ours: bind,
      naive: () => document.groups.map((group) => naiveGroup(document, keyring, group)),
      naiveName: 'find per bucket',
    },
    {
      name: `target of a request, ${GROUPS} groups`,
      ours: () => bound.groups.get(wanted)!.variants[0]!.targets[0],
      naive: () => targetInDocument(document, keyring, wanted, 0),
      naiveName: 'walk the document',
    },
  ];
}

/** A table of buckets made by searching the ranges for each, and credentials opened for each variant anew. */
function naiveGroup(
  document: SnapshotDocument,
  keyring: Keyring,
  { name, variants }: SnapshotDocument['groups'][number],
) {
  const variantOf = (bucket: number) =>
    variants.findIndex(({ ranges }) => ranges.some(([from, to]) => bucket >= from && bucket < to));
  return {
    buckets: Array.from({ length: BUCKETS }, (_, bucket) => variantOf(bucket)),
    targets: variants.map((_, index) => targetInDocument(document, keyring, name, index)),
  };
}

/** As if nothing was compiled: each request searches the lists and opens the credentials. */
function targetInDocument(document: SnapshotDocument, keyring: Keyring, name: string, index: number) {
  const variant = document.groups.find((group) => group.name === name)!.variants[index]!;
  const deployment = document.models.find(({ id }) => id === variant.modelId)!.deployments[0]!;
  const provider = document.providers.find(({ id }) => id === deployment.providerId)!;
  const context = envelopeContext(document.organizationId, 'providers', provider.id);
  return { url: new URL(provider.baseUrl), credentials: JSON.parse(open(keyring, context, provider.credentials!)) };
}

function documentOf(keyring: Keyring): SnapshotDocument {
  const organizationId = randomUUID();
  const providerId = randomUUID();
  const context = envelopeContext(organizationId, 'providers', providerId);
  const models = ['champion', 'challenger'].map((name) => ({
    ...{ id: randomUUID(), name, createdAt: CREATED_AT },
    deployments: [{ providerId, upstreamModel: name, weight: 1 }],
    maxOutputTokens: DEFAULT_MAX_OUTPUT_TOKENS,
  }));
  const groups = Array.from({ length: GROUPS }, (_, index) => ({
    ...{ id: randomUUID(), name: `group-${index}`, createdAt: CREATED_AT },
    ...{
      salt: '000102030405060708090a0b0c0d0e0f',
      hashVersion: 1,
      phase: 1,
      capture: DEFAULT_CAPTURE,
      log: DEFAULT_LOG_POLICY,
      traffic: DEFAULT_TRAFFIC_POLICY,
      shadow: DEFAULT_SHADOW_POLICY,
    },
    variants: [
      { modelId: models[0]!.id, role: 'champion' as const, weightBp: 9_000, ranges: [[0, 9_000] as [number, number]] },
      {
        ...{ modelId: models[1]!.id, role: 'challenger' as const, weightBp: 1_000 },
        ranges: [[9_000, 10_000] as [number, number]],
      },
    ],
  }));
  return {
    ...{ schema: 1, organizationId, organizationName: 'bench', models, groups },
    providers: [
      {
        ...{ id: providerId, name: 'up', kind: 'openai', baseUrl: 'http://127.0.0.1:1/v1', timeouts: {} },
        credentials: seal(keyring, context, JSON.stringify({ apiKey: 'sk-bench' }), new Uint8Array(12)),
      },
    ],
  };
}
