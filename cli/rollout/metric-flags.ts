import { UsageError } from '../usage-error.ts';
import { parseDuration, parseShare } from './quantities.ts';

const DIRECTIONS = ['increase', 'decrease'];
const KINDS = ['mean', 'rate'];
const SEVERITIES = ['rollback', 'pause', 'warn'];

/** `thumbs_up:increase:rate:5%`: metric, then in any order direction, kind, `absolute`, and the smallest effect that matters. */
export function parsePrimary(text: string): object {
  const [metric = '', ...words] = text.split(':');
  const primary: Record<string, unknown> = { metric };
  for (const word of words) {
    const effect = parseAmount(word);
    if (DIRECTIONS.includes(word)) primary['direction'] = word;
    else if (KINDS.includes(word)) primary['kind'] = word;
    else if (word === 'absolute') primary['relative'] = false;
    else if (effect !== undefined) primary['minimumEffect'] = effect;
    else
      throw new UsageError(`--primary ${text}: "${word}" is no direction, no kind, not "absolute" and no effect (5%)`);
  }
  return primary;
}

/** `latency:10%:relative:pause`: metric and margin, then in any order severity, direction, kind and `relative`. */
export function parseGuardrail(text: string): object {
  const [metric = '', amount = '', ...words] = text.split(':');
  const margin = parseAmount(amount);
  if (margin === undefined) {
    throw new UsageError(`--guardrail ${text}: write metric:margin, the margin as 1%, 0.01 or 50ms`);
  }
  const guardrail: Record<string, unknown> = { metric, margin };
  for (const word of words) {
    if (SEVERITIES.includes(word)) guardrail['severity'] = word;
    else if (DIRECTIONS.includes(word)) guardrail['direction'] = word;
    else if (KINDS.includes(word)) guardrail['kind'] = word;
    else if (word === 'relative') guardrail['relative'] = true;
    else
      throw new UsageError(
        `--guardrail ${text}: "${word}" is no severity (${SEVERITIES.join(', ')}), no direction, no kind and not "relative"`,
      );
  }
  return guardrail;
}

/** Reads `1%`, `0.01` or `50ms`; times are measured in microseconds. */
export function parseAmount(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms === undefined ? parseShare(text) : ms * 1_000;
}
