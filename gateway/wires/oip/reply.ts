import { planScan, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import type { ReplyFacts } from '../../providers/provider.ts';

const PLAN = planScan(['outputs']);
const OPEN_BRACKET = 0x5b;

/** Tensors have no tokens and no reason to end. */
const NO_FACTS: ReplyFacts = Object.freeze({ usage: null, finishReason: null });

/**
 * An answer of `infer`, which goes to the caller as it is.
 * @throws upstream_protocol for what is none: a web page, half an answer, tensors in binary
 */
export function readReply(body: Buffer): ReplyFacts {
  const scan = scanBody(body, PLAN);
  const outputs = scan.kind === 'ok' ? scan.spans[0] : undefined;
  if (outputs === undefined || body[outputs.start] !== OPEN_BRACKET) {
    throw new RingsideError('upstream_protocol', 'The upstream sent something that is no answer of an inference.');
  }
  return NO_FACTS;
}
