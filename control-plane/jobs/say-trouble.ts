import type { CapturedInferences } from '#store/captured-inferences.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';

/** Says once that the log cannot be read, and once that it can again, however many read it; each of them still gets the error. */
export function sayTrouble(captured: CapturedInferences, log: (line: string) => void): CapturedInferences {
  let isTroubled = false;
  return {
    async find(inTransaction, sought) {
      try {
        const found = await captured.find(inTransaction, sought);
        if (isTroubled) log('the log can be read again: what waited is compared');
        isTroubled = false;
        return found;
      } catch (error) {
        if (error instanceof LogUnavailableError && !isTroubled) {
          log(`mirrored calls and answers wait to be compared: ${error.message}`);
          isTroubled = true;
        }
        throw error;
      }
    },
  };
}
