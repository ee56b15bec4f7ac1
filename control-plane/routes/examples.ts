const STAMPS = { version: 1, createdAt: '2030-01-01T00:00:00.000Z', updatedAt: '2030-01-01T00:00:00.000Z' };

/** Example answers of the OpenAPI document. */
export const PROVIDER_EXAMPLE = {
  id: '5b0f8a54-5d1e-4f0c-9a3e-3f7f3b6d2c11',
  name: 'openai',
  kind: 'openai',
  baseUrl: 'https://api.openai.com/v1',
  apiKeyHint: 'sk-…4f2a',
  headerNames: [],
  timeouts: {},
  definition: null,
  ...STAMPS,
};

export const MODEL_EXAMPLE = {
  id: '0d2f3c1e-7f5a-4c7d-8a53-0a9c5f7f2b22',
  name: 'gpt-small',
  provider: 'openai',
  upstreamModel: 'gpt-4.1-mini',
  deployments: [{ provider: 'openai', upstreamModel: 'gpt-4.1-mini', weight: 1, zone: null }],
  meta: { team: 'search' },
  ...STAMPS,
};

export const VARIANTS_EXAMPLE = [
  { model: 'gpt-small', role: 'champion', weightBp: 9000 },
  { model: 'gpt-next', role: 'challenger', weightBp: 1000 },
];

export const GROUP_EXAMPLE = {
  id: '9a1e2b3c-4d5e-4f60-8a7b-8c9d0e1f2a33',
  name: 'support-chat',
  description: 'Answers in the help centre',
  capture: {
    mode: 'full',
    maxBytes: 65_536,
    sampleBp: 1_000,
    redaction: { detectors: ['email'], paths: [], patterns: [] },
  },
  log: { durability: 'process', whenSpoolFull: 'shed', partitionBy: 'week', retentionDays: 90, archive: 'none' },
  variants: VARIANTS_EXAMPLE,
  phase: 2,
  hashVersion: 1,
  ...STAMPS,
};

export const KEY_EXAMPLE = {
  id: '1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e44',
  name: 'help-centre',
  hint: 'rsk_Zm9v…YmFy',
  groups: ['support-chat'],
  defaultUnit: null,
  expiresAt: null,
  ...STAMPS,
};

export const INFERENCE_EXAMPLE = {
  id: '0190163d-8694-7abc-8def-0123456789ab',
  createdAt: '2030-01-01T00:00:00.000Z',
  group: 'support-chat',
  operation: 'chat',
  dialect: 'openai-chat',
  streamed: true,
  assignedVariant: 'gpt-small',
  servedVariant: 'gpt-small',
  servedReason: 'assigned',
  unit: 'user-1234',
  unitSource: 'header',
  bucket: 4711,
  range: { from: 0, to: 9000 },
  hashVersion: 1,
  phase: 2,
  configVersion: 43,
  keyId: KEY_EXAMPLE.id,
  status: 200,
  outcome: 'completed',
  errorCode: null,
  endReason: 'terminal_event',
  finishReason: 'stop',
  usage: { inputTokens: 24, outputTokens: 117, cachedTokens: 0, reasoningTokens: null },
  costMicroUsd: 197,
  timings: { queueMs: 0.2, connectMs: 11.4, firstByteMs: 182.5, firstTokenMs: 183.1, totalMs: 1_204.7 },
  attempts: [
    {
      provider: 'openai',
      model: 'gpt-small',
      upstreamModel: 'gpt-4.1-mini',
      status: 200,
      errorCode: null,
      startMs: 0.2,
      connectMs: 11.4,
      firstByteMs: 182.5,
      endMs: 1_204.6,
      requestId: 'req_7f3a',
    },
  ],
  experiment: { id: '0190163c-1a2b-7c3d-8e4f-0123456789ab', phase: 1, arm: 0 },
  shadowOf: null,
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  metadata: { tenant: 'acme' },
  requestBytes: 412,
  responseBytes: 9_120,
};

export const ASSIGNMENT_EXAMPLE = {
  ...{
    unit: 'user-1234',
    bucket: 4711,
    hashVersion: 1,
    range: { from: 0, to: 9000 },
    variant: 'gpt-small',
    role: 'champion',
  },
  phase: 2,
  experiment: { id: '0190163c-1a2b-7c3d-8e4f-0123456789ab', phase: 1, arm: 0 },
  configVersion: 43,
  explanation:
    'bucket 4711 < 9000 → champion gpt-small; counts as arm 0 in phase 1 of experiment 0190163c-1a2b-7c3d-8e4f-0123456789ab',
};

/** A page with one item. */
export function pageExample(item: object): object {
  return { items: [item], nextCursor: null };
}

export const INFERENCE_DETAIL_EXAMPLE = {
  ...INFERENCE_EXAMPLE,
  assignmentExplained:
    'bucket 4711 < 9000 → champion gpt-small; counts as arm 0 in phase 1 of experiment 0190163c-1a2b-7c3d-8e4f-0123456789ab',
  assignment: {
    role: 'champion',
    reproduced: true,
    splitSince: 41,
    splitChange: '/api/v1/audit?version=41',
    configChange: '/api/v1/audit?version=43',
  },
  waterfall: [
    { name: 'queue', attempt: null, startMs: 0, endMs: 0.2 },
    { name: 'connect', attempt: 0, startMs: 0.2, endMs: 11.6 },
    { name: 'first_byte', attempt: 0, startMs: 11.6, endMs: 182.5 },
    { name: 'first_token', attempt: 0, startMs: 182.5, endMs: 183.1 },
    { name: 'stream', attempt: 0, startMs: 183.1, endMs: 1_204.6 },
    { name: 'finish', attempt: null, startMs: 1_204.6, endMs: 1_204.7 },
  ],
  sentUpstream: { model: 'gpt-4.1-mini', addedUsage: true },
  answer: { role: 'assistant', content: 'Hello! How can I help?' },
  request: {
    bytes: 412,
    sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    truncated: false,
    redacted: false,
    captured: true,
    body: { model: 'support-chat', messages: [{ role: 'user', content: 'Hello' }], stream: true },
  },
  response: {
    contentType: 'text/event-stream',
    bytes: 9_120,
    sha256: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
    truncated: false,
    redacted: false,
    captured: true,
    body: 'data: {"choices":[…]}\n\ndata: [DONE]\n\n',
  },
};

const { request, response } = INFERENCE_DETAIL_EXAMPLE;
export const EXPORT_EXAMPLE = `${JSON.stringify({ ...INFERENCE_EXAMPLE, request, response })}\n`;

export const GATEWAYS_EXAMPLE = {
  items: [
    {
      id: '7e6d5c4b-3a29-4180-9f0e-1d2c3b4a5f55',
      host: 'gateway-1',
      pid: 4242,
      release: '0.1.0',
      workers: 4,
      snapshotVersion: 43,
      keyVersion: 7,
      startedAt: '2030-01-01T00:00:00.000Z',
      seenAt: '2030-01-01T00:00:01.000Z',
      live: true,
    },
  ],
  nextCursor: null,
  latestVersion: 43,
  latestKeyVersion: 7,
};

export const AUDIT_EXAMPLE = {
  id: 12,
  at: '2030-01-01T00:00:00.000Z',
  actor: 'admin-token:2b1c0d9e-8f7a-4b6c-9d5e-4f3a2b1c0d66:first-owner',
  action: 'group.weights.change',
  resource: `groups/${GROUP_EXAMPLE.id}`,
  before: { name: 'support-chat', version: 2 },
  after: { name: 'support-chat', version: 3 },
  configVersion: 43,
  requestId: 'f0e1d2c3-b4a5-4687-9978-8695a4b3c277',
};

export const LEDGER_EXAMPLE = {
  gatewayId: GATEWAYS_EXAMPLE.items[0]!.id,
  gateway: {
    host: 'gateway-1',
    startedAt: '2030-01-01T00:00:00.000Z',
    seenAt: '2030-01-01T00:10:01.000Z',
    stoppedAt: null,
    state: 'live',
  },
  group: 'support-chat',
  groupId: GROUP_EXAMPLE.id,
  accepted: 12_004,
  recorded: 12_001,
  inFlight: 3,
  interrupted: 0,
  stored: 11_950,
  spooled: 50,
  archived: 0,
  expired: 0,
  dropped: { dead_letter: 1 },
  balance: 'open',
  missing: 0,
  reportedAt: '2030-01-01T00:10:01.000Z',
};

export const LEDGER_MINUTE_EXAMPLE = {
  minute: '2030-01-01T00:09:00.000Z',
  gatewayId: GATEWAYS_EXAMPLE.items[0]!.id,
  group: 'support-chat',
  groupId: GROUP_EXAMPLE.id,
  stored: 1_204,
  failed: 2,
  interrupted: 0,
};
