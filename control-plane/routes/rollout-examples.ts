const ID = '3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a55';
const EXPERIMENT = {
  primary: { metric: 'thumbs_up', kind: 'rate', direction: 'increase', minimumEffect: 0.05 },
  guardrails: [{ metric: 'error_rate', margin: 0.01, severity: 'rollback' }],
};
const PLAN = {
  strategy: {
    kind: 'canary',
    steps: [
      { weightBp: 500, durationMs: 600_000 },
      { weightBp: 2_500, durationMs: 3_600_000, minUnits: 1_000 },
      { weightBp: 5_000, durationMs: 86_400_000 },
    ],
  },
  approvals: ['promotion'],
  webhooks: [{ hook: 'on-end', url: 'https://hooks.example.com/ringside' }],
};

/** Example requests and answers of the OpenAPI document. */
export const CREATE_ROLLOUT_EXAMPLE = {
  group: 'support-chat',
  name: 'gpt-next-july',
  challengers: ['gpt-next'],
  experiment: EXPERIMENT,
  plan: PLAN,
  start: true,
};

export const WEBHOOK_SECRET_EXAMPLE = 'rsw_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE';

export const ROLLOUT_EXAMPLE = {
  id: ID,
  name: 'gpt-next-july',
  group: 'support-chat',
  state: 'ramping',
  paused: null,
  champion: 'gpt-small',
  challengers: ['gpt-next'],
  removed: [],
  phase: 1,
  step: { number: 1, of: 3, weightBp: 500 },
  since: '2030-01-01T00:00:00.000Z',
  weights: { 'gpt-small': 9_500, 'gpt-next': 500 },
  waitsFor: 'Step 1 of 3: its end at 2030-01-01T00:10:00.000Z.',
  notes: [],
  nextLookAt: '2030-01-01T00:00:20.000Z',
  possible: ['pause', 'skip', 'abort', 'promote', 'rollback'],
  reason: 'the release is out',
  experiment: EXPERIMENT,
  plan: PLAN,
  version: 2,
  createdAt: '2030-01-01T00:00:00.000Z',
  updatedAt: '2030-01-01T00:00:00.000Z',
  startedAt: '2030-01-01T00:00:00.000Z',
  endedAt: null,
};

export const TRANSITION_EXAMPLE = {
  id: 17,
  at: '2030-01-01T00:00:00.000Z',
  event: 'start',
  from: 'draft',
  to: 'ramping',
  reason: 'the release is out',
  actor: 'admin-token:2b1c0d9e-8f7a-4b6c-9d5e-4f3a2b1c0d66:first-owner',
  weights: { 'gpt-small': 9_500, 'gpt-next': 500 },
  phase: 1,
  configVersion: 43,
};

export const DELIVERY_EXAMPLE = {
  id: '6b7c8d9e-0f1a-4b2c-8d3e-4f5a6b7c8d66',
  hook: 'on-end',
  gate: 'on-end:promoted:0#0',
  state: 'approved',
  attempts: 1,
  nextAt: null,
  detail: '',
  payload: { rollout: ID, group: 'support-chat', state: 'promoted' },
  createdAt: '2030-01-03T00:00:00.000Z',
  updatedAt: '2030-01-03T00:00:01.000Z',
};

export const FREEZE_EXAMPLE = {
  id: '8d9e0f1a-2b3c-4d4e-8f5a-6b7c8d9e0f77',
  group: null,
  startsAt: '2030-12-20T00:00:00.000Z',
  endsAt: '2031-01-02T00:00:00.000Z',
  reason: 'holidays',
  active: false,
  createdAt: '2030-12-01T00:00:00.000Z',
};
