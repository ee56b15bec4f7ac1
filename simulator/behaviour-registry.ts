import { type Behaviour, DEFAULT_BEHAVIOUR } from './behaviour.ts';

/** The name under which the behaviour of all other models is kept. */
export const ANY_MODEL = '*';

/**
 * Which model behaves how, and how often each was asked. Setting or removing a behaviour starts that model's draws
 * anew (`*`: everyone's), so that a test sees the same sequence whatever ran before it.
 */
export interface BehaviourRegistry {
  set(model: string, behaviour: Behaviour): void;
  /** False if the model had none of its own. */
  remove(model: string): boolean;
  /** The model's own behaviour or that of `*`. */
  of(model: string): Behaviour;
  /** True if the model has a behaviour of its own. */
  knows(model: string): boolean;
  /** The models with a behaviour of their own. */
  models(): string[];
  entries(): Record<string, Behaviour>;
  /** Counts one request of a model: 0 for the first. */
  takeTurn(model: string): number;
}

export function createBehaviourRegistry(): BehaviourRegistry {
  const behaviours = new Map<string, Behaviour>();
  const turns = new Map<string, number>();
  const restart = (model: string) => {
    if (model === ANY_MODEL) turns.clear();
    else turns.delete(model);
  };
  return {
    set(model, behaviour) {
      behaviours.set(model, behaviour);
      restart(model);
    },
    remove(model) {
      restart(model);
      return behaviours.delete(model);
    },
    of: (model) => behaviours.get(model) ?? behaviours.get(ANY_MODEL) ?? DEFAULT_BEHAVIOUR,
    knows: (model) => model !== ANY_MODEL && behaviours.has(model),
    models: () => [...behaviours.keys()].filter((model) => model !== ANY_MODEL),
    entries: () => Object.fromEntries([[ANY_MODEL, DEFAULT_BEHAVIOUR], ...behaviours]),
    takeTurn(model) {
      const turn = turns.get(model) ?? 0;
      turns.set(model, turn + 1);
      return turn;
    },
  };
}
