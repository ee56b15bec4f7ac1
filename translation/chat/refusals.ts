import { RingsideError } from '#core/errors.ts';
import type { At } from './parts.ts';

/**
 * Collects what a provider cannot be told. By default a setting that it cannot express is refused with 400, naming the caller's
 * parameter; where the group is `lenient` it is left out, and the answer says so (`x-ringside-dropped`).
 */
export interface Refusals {
  /** A setting or a field that cannot be expressed. `why` ends the sentence: `The provider kind "anthropic" …`. */
  setting(at: At, why: string): void;
  /** Content that cannot be expressed: leaving it out would change what is asked, so that it is always refused. */
  content(at: At, why: string): never;
  /** Left out without harm and without asking: another provider's signed thoughts. */
  leftOut(at: At): void;
  /** What was left out, in order, without repeats. */
  readonly dropped: readonly At[];
}

/** Refusals for one request to one provider kind. */
export function createRefusals(kind: string, lenient: boolean): Refusals {
  const dropped = new Set<At>();
  const refuse = (at: At, why: string, hint: string) =>
    new RingsideError(
      'unsupported_parameter',
      `"${at}" cannot be sent on: the provider kind "${kind}" ${why}. ${hint}`,
      {
        param: at,
      },
    );
  return {
    setting(at, why) {
      if (!lenient) throw refuse(at, why, 'Remove it, or set traffic.lenient on the model group to have it left out.');
      dropped.add(at);
    },
    content(at, why) {
      throw refuse(at, why, 'Remove it, or ask a model group whose provider takes it.');
    },
    leftOut: (at) => void dropped.add(at),
    get dropped() {
      return [...dropped];
    },
  };
}
