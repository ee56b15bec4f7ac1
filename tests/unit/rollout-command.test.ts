import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBody } from '#cli/rollout/create-flags.ts';
import { formatDuration, formatWeight, parseDuration, parseShare, parseWeight } from '#cli/rollout/quantities.ts';
import { rolloutCommand } from '#cli/rollout/rollout.ts';
import type { Flags } from '#cli/rollout/strategy-flags.ts';
import { parseSettings } from '#cli/settings.ts';
import { UsageError } from '#cli/usage-error.ts';
import { createRolloutSchema } from '#control-plane/rollout/rollout-schemas.ts';

const base = { group: 'demo', challenger: ['b'] };
const body = (flags: Flags, file?: unknown) => createBody({ ...base, ...flags }, file);
const reason = (flags: Flags, file?: unknown) => {
  try {
    createBody(flags, file);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

test('durations, weights and shares are read exactly', () => {
  expect(['90s', '10m', '1h30m', '250ms', '2d', '0.5s'].map(parseDuration)).toEqual([
    90_000, 600_000, 5_400_000, 250, 172_800_000, 500,
  ]);
  expect(['', '10', '10 m', 'm', '1x', '-1s', '0.0001s', '1e3s'].map(parseDuration)).toEqual(Array(8).fill(undefined));
  expect(['5%', '2.5%', '0.57%', '100%', '250bp', '0%'].map(parseWeight)).toEqual([500, 250, 57, 10_000, 250, 0]);
  expect(['5', '0.001%', '1.5bp', '%', '-5%'].map(parseWeight)).toEqual(Array(5).fill(undefined));
  expect(['1%', '0.01', '7%', 'x'].map(parseShare)).toEqual([0.01, 0.01, 0.07, undefined]);
});

test('what is printed is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (weightBp) => {
      expect(parseWeight(formatWeight(weightBp).replace(' ', ''))).toBe(weightBp);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (amount, unit) => {
      const ms = parseDuration(`${amount}${unit}`)!;
      // Two units are shown: what is left out is less than the smaller of them.
      const shown = parseDuration(formatDuration(ms))!;
      expect(shown).toBeLessThanOrEqual(ms);
      expect(shown).toBeGreaterThan(ms * 0.95);
    }),
  );
});

test('a canary from flags is what the API takes', () => {
  const made = body({
    ...{ strategy: 'canary', steps: '5%:10m,25%:30m:1000u,50%:1h:approval,100%', start: true, reason: 'now' },
    ...{ primary: 'thumbs_up:increase:rate:5%', guardrail: ['error_rate:1%:rollback', 'latency:50ms:pause'] },
    ...{ approve: ['promotion'], webhook: ['on-end=https://example.com/x?a=b'], 'shadow-first': '10m', sample: '20%' },
    ...{ pairs: '50', interval: '5s', 'min-duration': '1d', 'max-duration': '7d', 'on-inconclusive': 'end' },
    ...{ 'no-auto-promote': true, 'dry-run': true, alpha: '0.01', 'planned-units': '90000' },
  });
  expect(createRolloutSchema.parse(made)).toMatchObject({
    ...{ group: 'demo', name: 'b-in-demo', challengers: ['b'], start: true, reason: 'now' },
    experiment: {
      primary: { metric: 'thumbs_up', direction: 'increase', kind: 'rate', minimumEffect: 0.05 },
      guardrails: [
        { metric: 'error_rate', margin: 0.01, severity: 'rollback' },
        { metric: 'latency', margin: 50_000, severity: 'pause' },
      ],
      alpha: 0.01,
      plannedUnits: 90_000,
    },
    plan: {
      strategy: {
        kind: 'canary',
        steps: [
          { weightBp: 500, durationMs: 600_000, minUnits: 0, approval: false },
          { weightBp: 2_500, durationMs: 1_800_000, minUnits: 1_000, approval: false },
          { weightBp: 5_000, durationMs: 3_600_000, minUnits: 0, approval: true },
          { weightBp: 10_000, durationMs: 0, minUnits: 0, approval: false },
        ],
      },
      ...{ shadowFirst: { sampleBp: 2_000, durationMs: 600_000, minPairs: 50 }, approvals: ['promotion'] },
      ...{ webhooks: [{ hook: 'on-end', url: 'https://example.com/x?a=b' }], intervalMs: 5_000, onInconclusive: 'end' },
      ...{ minDurationMs: 86_400_000, maxDurationMs: 604_800_000, autoPromote: false, dryRun: true },
    },
  });
});

test.each([
  [
    { strategy: 'direct', hold: '1h' },
    { kind: 'direct', holdMs: 3_600_000 },
  ],
  [
    { strategy: 'blue-green', return: '2h' },
    { kind: 'blue-green', returnMs: 7_200_000 },
  ],
  [
    { strategy: 'rolling', from: '1%', to: '50%', increment: '5%', over: '1d' },
    { kind: 'rolling', fromBp: 100, toBp: 5_000, incrementBp: 500, durationMs: 86_400_000 },
  ],
  [
    { strategy: 'ab', weight: '20%' },
    { kind: 'ab', weightBp: 2_000 },
  ],
  [{ steps: '10%' }, { kind: 'canary', steps: [{ weightBp: 1_000, durationMs: 0, minUnits: 0, approval: false }] }],
])('the strategy of %j', (flags, strategy) => {
  expect(createRolloutSchema.parse(body(flags)).plan.strategy).toEqual(strategy);
});

test.each<[Flags, string]>([
  [{ challenger: ['b'] }, '--group is missing'],
  [{ group: 'demo' }, '--challenger is missing'],
  [{ ...base }, '--strategy is one of direct, canary, blue-green, rolling, ab'],
  [{ ...base, strategy: 'slow' }, '--strategy is one of'],
  [{ ...base, strategy: 'canary' }, '--steps is missing'],
  [{ ...base, strategy: 'ab', steps: '5%' }, '--steps belongs to the strategy canary, not to ab'],
  [{ ...base, steps: '5:10m' }, '"5:10m" does not begin with a weight'],
  [{ ...base, steps: '5%:soon' }, '"soon" is no duration'],
  [{ ...base, strategy: 'direct', hold: '1' }, '--hold: "1" is no duration'],
  [{ ...base, strategy: 'ab', weight: '1' }, '--weight: "1" is no weight'],
  [{ ...base, strategy: 'ab', primary: 'x:more' }, '"more" is no direction'],
  [{ ...base, strategy: 'ab', guardrail: ['x'] }, 'write metric:margin'],
  [{ ...base, strategy: 'ab', guardrail: ['x:1%:maybe'] }, '"maybe" is no severity'],
  [{ ...base, strategy: 'ab', webhook: ['https://example.com'] }, 'write hook=url'],
  [{ ...base, strategy: 'ab', alpha: 'x' }, '--alpha: "x" is no number'],
  [{ ...base, strategy: 'ab', sample: '5%' }, '--sample and --pairs belong to --shadow-first'],
])('%j is refused: %s', (flags, message) => {
  expect(reason(flags)).toContain(message);
});

test('a file says it all, but for what names and starts it', () => {
  const file = { group: 'demo', name: 'x', challengers: ['b'], plan: { strategy: { kind: 'direct' } } };
  expect(createBody({}, file)).toEqual(file);
  expect(createBody({ name: 'y', start: true, challenger: ['c'], json: true }, file)).toEqual({
    ...{ ...file, name: 'y', start: true, challengers: ['c'] },
  });
  expect(reason({ strategy: 'direct' }, file)).toContain('--strategy cannot stand beside -f');
  expect(reason({}, [])).toContain('holds no JSON object');
});

test.each([
  [['create', '--grupp', 'demo'], /Unknown option '--grupp'.*see ringside rollout create --help/],
  [['create', '-f', '/missing.json'], /^-f: ENOENT/],
  [['show'], /^show of which rollout\?/],
  [['show', 'a', 'b'], /^show takes no argument "b"/],
  [['list', 'x'], /^list takes no argument "x"/],
  [['rollback'], /takes a rollout or --group/],
  [['rollback', 'x', '--group', 'g'], /takes a rollout or --group/],
  [['unfreeze'], /^unfreeze of which window\?/],
  [['freeze', '--reason', 'x'], /^freeze takes --until <time> or --for 2d/],
  [['freeze', '--for', '2d'], /^--reason is missing/],
  [['freeze', '--until', 'soon', '--reason', 'x'], /^--until: "soon" is no time/],
  [['dance'], /^rollout: unknown sub-command "dance"/],
  [['constructor'], /^rollout: unknown sub-command "constructor"/],
  [[], /^rollout: a sub-command is missing; see ringside rollout --help/],
  [['create', '--group', 'g'], /^--challenger is missing/],
])('a call that is wrong asks nobody: %j', async (args, message) => {
  const settings = parseSettings({ RINGSIDE_ADMIN_TOKEN: 'rsa_x', RINGSIDE_DATA_DIR: '/nowhere' });
  const called = rolloutCommand(settings, args);
  await expect(called).rejects.toThrow(message);
  await expect(called).rejects.toThrow(UsageError);
});
