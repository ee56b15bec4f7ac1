/**
 * One timer for many deadlines: a ring of lists, one list per millisecond. Adding is O(1), and each turn of the ring costs
 * as much as what is due, however many streams wait. Deadlines lie less than one turn ahead.
 */
export class TimerWheel<T> {
  readonly #slots: T[][];
  #atMs: number;

  /** `spanMs`: one turn of the ring. `nowMs`: any clock in whole milliseconds that does not go back. */
  constructor(spanMs: number, nowMs: number) {
    this.#slots = Array.from({ length: spanMs }, () => []);
    this.#atMs = nowMs;
  }

  /** Puts an item at a deadline; one that has passed is due at the next turn. */
  add(item: T, dueMs: number): void {
    if (dueMs - this.#atMs >= this.#slots.length) {
      throw new RangeError(`a deadline of ${dueMs - this.#atMs} ms is beyond the wheel's ${this.#slots.length} ms`);
    }
    this.#slots[Math.max(dueMs, this.#atMs + 1) % this.#slots.length]!.push(item);
  }

  /** Fires what is due up to and including `nowMs`, in the order of the deadlines. `fire` may add. */
  advance(nowMs: number, fire: (item: T, dueMs: number) => void): void {
    while (this.#atMs < nowMs) {
      this.#atMs++;
      const index = this.#atMs % this.#slots.length;
      const due = this.#slots[index]!;
      if (due.length === 0) continue;
      this.#slots[index] = [];
      for (const item of due) fire(item, this.#atMs);
    }
  }
}
