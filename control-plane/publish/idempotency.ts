import { createHash } from 'node:crypto';
import { envelopeContext, type Keyring, open, seal } from '#core/envelope.ts';
import { storeAnswer, takeIdempotencyKey } from '#store/idempotency.ts';
import type { Tx } from '#store/pool.ts';
import type { Entropy } from '../entropy.ts';
import { invalid } from '../problem.ts';
import type { ChangeAnswer } from './change.ts';

/** A change request, as its `Idempotency-Key` vouches for it. */
interface RepeatableRequest {
  readonly organizationId: string;
  readonly idempotencyKey: string;
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

/** Remembers answers by `Idempotency-Key`, sealed because they may hold a key that is shown once. */
export interface AnswerMemory {
  /**
   * The answer that this request got already; undefined if it is new.
   * @throws Problem `invalid` when another request used the key
   */
  recall(tx: Tx, request: RepeatableRequest): Promise<ChangeAnswer | undefined>;
  remember(tx: Tx, request: RepeatableRequest, answer: ChangeAnswer): Promise<void>;
}

export function createAnswerMemory(deps: { readonly keyring: Keyring; readonly entropy: Entropy }): AnswerMemory {
  const contextOf = (request: RepeatableRequest) =>
    envelopeContext(request.organizationId, 'idempotency_keys', request.idempotencyKey);
  return {
    async recall(tx, request) {
      const stored = await takeIdempotencyKey(tx, request.organizationId, request.idempotencyKey);
      if (stored === undefined) return undefined;
      if (!stored.fingerprint.equals(fingerprintOf(request))) {
        throw invalid([
          {
            field: 'Idempotency-Key',
            message: 'was used for a different request; take a new key for each new request',
          },
        ]);
      }
      return JSON.parse(open(deps.keyring, contextOf(request), stored.answer)) as ChangeAnswer;
    },
    async remember(tx, request, answer) {
      await storeAnswer(tx, request.organizationId, request.idempotencyKey, {
        fingerprint: fingerprintOf(request),
        status: answer.status,
        answer: seal(deps.keyring, contextOf(request), JSON.stringify(answer), deps.entropy.bytes(12)),
      });
    },
  };
}

/** SHA-256 over method, path and body; neither of the first two can hold a line feed. */
function fingerprintOf(request: RepeatableRequest): Buffer {
  return createHash('sha256').update(`${request.method}\n${request.path}\n`).update(request.body).digest();
}
