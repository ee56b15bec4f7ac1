import type { BodyPool } from '../flow/body-pool.ts';
import type { BodyBudget } from '../flow/ports.ts';

/**
 * Of the budget that callers' bodies share, mirrored requests hold a part only while all together hold no more than this share:
 * a shadow that does not answer must never make a caller's request find no room.
 */
const MAX_SHARE = 0.25;

/** The body of a request that is mirrored, shared by its calls. It was the caller's: nothing is copied. */
export class HeldBody {
  readonly bytes: Buffer;
  readonly #budget: BodyBudget;
  readonly #pool: BodyPool;
  /** Pooled memory that nobody reads any more when the last call lets go; null: the garbage collector has it. */
  #memory: Buffer | null;
  readonly #heldBytes: number;
  #users = 0;

  /**
   * Null when there is no room.
   * @param gathered the memory that `bytes` lies in, where that came from the pool; taken over by `use`
   * @param isReusable whether nothing else still reads that memory
   */
  static hold(
    bytes: Buffer,
    gathered: Buffer | null,
    isReusable: boolean,
    budget: BodyBudget,
    pool: BodyPool,
  ): HeldBody | null {
    const heldBytes = gathered?.length ?? bytes.length;
    if (!budget.take(heldBytes, MAX_SHARE)) return null;
    return new HeldBody(bytes, isReusable ? gathered : null, heldBytes, budget, pool);
  }

  private constructor(bytes: Buffer, memory: Buffer | null, heldBytes: number, budget: BodyBudget, pool: BodyPool) {
    this.bytes = bytes;
    this.#memory = memory;
    this.#heldBytes = heldBytes;
    this.#budget = budget;
    this.#pool = pool;
  }

  /** One more call reads it. */
  use(): void {
    this.#users++;
  }

  /** That call has ended. `isFree`: the transport reads it no more either. */
  letGo(isFree: boolean): void {
    if (!isFree) this.#memory = null;
    if (--this.#users > 0) return;
    this.#budget.give(this.#heldBytes);
    if (this.#memory !== null) this.#pool.give(this.#memory);
    this.#memory = null;
  }
}
