/**
 * The function calls that have no response yet. A response without an id answers the first call of its name. Each step takes the same time
 * however many calls there are: a caller may send a hundred thousand of them.
 */
export class PendingCalls {
  readonly #byName = new Map<string, { readonly ids: string[]; next: number }>();
  readonly #open = new Set<string>();

  add(id: string, name: string): void {
    const queue = this.#byName.get(name);
    if (queue === undefined) this.#byName.set(name, { ids: [id], next: 0 });
    else queue.ids.push(id);
    this.#open.add(id);
  }

  /** A response names the call that it answers. */
  answer(id: string): void {
    this.#open.delete(id);
  }

  /** The call that a response without an id answers; null where there is none. */
  answerFirst(name: string): string | null {
    const queue = this.#byName.get(name);
    while (queue !== undefined && queue.next < queue.ids.length) {
      const id = queue.ids[queue.next++]!;
      if (this.#open.delete(id)) return id;
    }
    return null;
  }
}
