import type { RolloutPlan, RolloutStrategy } from '#core/rollout/plan.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import { BUCKETS } from '#core/split/bucket.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import type { Issue } from '../problem.ts';
import { isAllowedHost } from '../registry/base-url.ts';

/**
 * What is wrong with a plan that its schema cannot see.
 * @param challengers how many there are: each of them gets the weight of a step
 */
export function checkPlan(plan: RolloutPlan, challengers: number, policy: AddressPolicy): Issue[] {
  const { strategy, shadowFirst, approvals, webhooks, minDurationMs, maxDurationMs } = plan;
  const issues = [...checkStrategy(strategy), ...checkShare(strategy, challengers), ...checkWebhooks(webhooks, policy)];
  if (new Set(approvals).size < approvals.length) {
    issues.push({ field: 'plan.approvals', message: 'names one of them twice; name each once' });
  }
  if (shadowFirst !== null && shadowFirst.durationMs === 0 && shadowFirst.minPairs === 0) {
    issues.push({
      field: 'plan.shadowFirst',
      message: 'would end at once; give durationMs or minPairs, or null for no shadow',
    });
  }
  if (minDurationMs > 0 && minDurationMs >= maxDurationMs) {
    issues.push({
      field: 'plan.minDurationMs',
      message: `must be shorter than maxDurationMs (${maxDurationMs}): nothing could ever be decided`,
    });
  }
  const { holdMs } = rulesOf(strategy);
  if (holdMs !== null && holdMs > 0 && holdMs >= maxDurationMs) {
    issues.push({
      field: 'plan.maxDurationMs',
      message: `must be longer than the hold (${holdMs}): it would end as inconclusive before time could promote`,
    });
  }
  const rampMs = rampTimeMs(strategy);
  if (rampMs > maxDurationMs) {
    issues.push({
      field: 'plan.maxDurationMs',
      message: `is shorter than the strategy takes (${rampMs}): it would end as inconclusive before its last step is over`,
    });
  }
  return issues;
}

function checkStrategy(strategy: RolloutStrategy): Issue[] {
  const at = 'plan.strategy';
  switch (strategy.kind) {
    case 'canary':
      return checkSteps(strategy.steps);
    case 'rolling': {
      const { fromBp, toBp, incrementBp, durationMs } = strategy;
      if (fromBp >= toBp) return [{ field: `${at}.toBp`, message: `must be greater than fromBp (${fromBp})` }];
      return [
        ...(incrementBp > toBp - fromBp
          ? [{ field: `${at}.incrementBp`, message: `is more than the whole way, ${toBp - fromBp}` }]
          : []),
        ...(durationMs === 0
          ? [{ field: `${at}.durationMs`, message: 'must be greater than 0; the strategy "direct" moves all at once' }]
          : []),
      ];
    }
    case 'direct':
    case 'blue-green':
    case 'ab':
      return [];
    default:
      return strategy satisfies never;
  }
}

function checkSteps(steps: Extract<RolloutStrategy, { kind: 'canary' }>['steps']): Issue[] {
  return steps.flatMap(({ weightBp, durationMs, minUnits, approval }, index): Issue[] => {
    const at = `plan.strategy.steps[${index}]`;
    const before = steps[index - 1]?.weightBp ?? 0;
    const isLast = index === steps.length - 1;
    return [
      ...(weightBp <= before
        ? [{ field: `${at}.weightBp`, message: `must be greater than that of the step before, ${before}` }]
        : []),
      ...(durationMs === 0 && minUnits === 0 && !approval && !isLast
        ? [{ field: at, message: 'would end as it begins; give durationMs, minUnits or approval' }]
        : []),
    ];
  });
}

/** The greatest weight that a challenger gets, and where the request says so. */
function greatestWeight(strategy: RolloutStrategy): { readonly weightBp: number; readonly field: string } {
  const at = 'plan.strategy';
  switch (strategy.kind) {
    case 'direct':
    case 'blue-green':
      return { weightBp: BUCKETS, field: at };
    case 'canary': {
      const last = strategy.steps.length - 1;
      const greatest = strategy.steps.reduce(
        (most, step, i) => (step.weightBp > strategy.steps[most]!.weightBp ? i : most),
        last,
      );
      return { weightBp: strategy.steps[greatest]!.weightBp, field: `${at}.steps[${greatest}].weightBp` };
    }
    case 'rolling':
      return { weightBp: strategy.toBp, field: `${at}.toBp` };
    case 'ab':
      return { weightBp: strategy.weightBp, field: `${at}.weightBp` };
    default:
      return strategy satisfies never;
  }
}

function checkShare(strategy: RolloutStrategy, challengers: number): Issue[] {
  const { weightBp, field } = greatestWeight(strategy);
  const sum = weightBp * challengers;
  if (sum > BUCKETS) {
    const most = Math.floor(BUCKETS / challengers);
    const message = `each of ${challengers} challengers would get ${weightBp}, ${sum} of ${BUCKETS} together; at most ${most} each`;
    return [{ field, message }];
  }
  if (strategy.kind === 'ab' && sum === BUCKETS) {
    return [{ field, message: 'leaves the champion nothing to be compared with' }];
  }
  return [];
}

function rampTimeMs(strategy: RolloutStrategy): number {
  if (strategy.kind === 'canary') return strategy.steps.reduce((sum, step) => sum + step.durationMs, 0);
  return strategy.kind === 'rolling' ? strategy.durationMs : 0;
}

function checkWebhooks(webhooks: RolloutPlan['webhooks'], policy: AddressPolicy): Issue[] {
  return webhooks.flatMap(({ hook, url }, index): Issue[] => {
    const fault = urlFault(url, policy);
    return [
      ...(webhooks.findIndex((other) => other.hook === hook && other.url === url) < index
        ? [{ field: `plan.webhooks[${index}]`, message: `"${hook}" is sent there already; list it once` }]
        : []),
      ...(fault === undefined ? [] : [{ field: `plan.webhooks[${index}].url`, message: fault }]),
    ];
  });
}

/** Names are resolved, and their addresses checked, at each call; here only what the URL itself says is refused. */
function urlFault(text: string, policy: AddressPolicy): string | undefined {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must hold no credentials; calls are signed instead';
  if (url.hash !== '') return 'must have no fragment';
  const host = url.hostname.replace(/\.$/, '');
  if (isAllowedHost(host, policy)) return undefined;
  return `points to the private address "${host}"; an operator can allow it in RINGSIDE_PRIVATE_UPSTREAMS`;
}
