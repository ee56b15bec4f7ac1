import { reasonOf } from '#core/reason.ts';
import { comparePair } from '#core/shadow/measures.ts';
import type { CapturedInference, CapturedInferences, InTransaction } from '#store/captured-inferences.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { type Db, inOrganization } from '#store/pool.ts';
import { type DuePair, postponePairs, type SettledPair, settlePairs, takeDuePairs } from '#store/shadow-pairs.ts';
import { requestOf } from '../inferences/captured.ts';
import { checkForms, formOf } from './check-forms.ts';
import { pairSideOf } from './pair-side.ts';
import type { SchemaChecker } from './schema-checker.ts';
import { isGivenUp, lackOf } from './waiting.ts';

export interface ComparePairsDeps {
  /** Of the role `application`. */
  readonly db: Db;
  readonly captured: CapturedInferences;
  readonly checker: SchemaChecker;
}

/** What one batch came to. */
export interface ComparedBatch {
  /** Of all that were due; fewer than were asked for: no more are. */
  readonly taken: number;
  readonly compared: number;
  /** Of those compared: by their rows alone, since bodies that were kept never came. */
  readonly withoutBodies: number;
  readonly givenUp: number;
  /** Pairs that wait since the log refused to give what it has of them; more are not asked for at once. */
  readonly refused: number;
  /** Pairs that our own code failed at, which are given up. */
  readonly defects: readonly string[];
}

/** A pair with what the log has of it. Undefined: not there (yet). */
interface LoadedPair {
  readonly pair: DuePair;
  readonly original: CapturedInference | undefined;
  readonly shadow: CapturedInference | undefined;
}

/**
 * Compares pairs of an organization, in one transaction: what was measured and that it was is written together, so each pair is compared
 * exactly once, whatever is killed when and however many work at it.
 *
 *   due ──both are in the log──▶ compared
 *    ├────something is missing, or the log refuses to be read──▶ pending, looked at again after as long as it has waited
 *    ├────bodies are missing, after a day──▶ compared without them
 *    └────a row is missing, after a day──▶ given up
 *
 * @throws LogUnavailableError when the log cannot be reached: the pairs are due as before
 */
export function comparePairs(
  { db, captured, checker }: ComparePairsDeps,
  organizationId: string,
  limit: number,
): Promise<ComparedBatch> {
  return inOrganization(db, organizationId, async (tx) => {
    const due = await takeDuePairs(tx, organizationId, limit);
    const loaded = await loadPairs(captured, (work) => work(tx), organizationId, due);
    const settled: SettledPair[] = [];
    const waiting: { shadowId: string; detail: string }[] = [];
    const defects: string[] = [];
    for (const one of loaded.pairs) {
      const { pair } = one;
      const missing = missingPart(one);
      const isOver = isGivenUp({ waitedMs: pair.waitedMs, wasSought: pair.attempts > 0 });
      if (missing === null) settled.push(await compare(one, checker, '', defects));
      else if (!isOver) waiting.push({ shadowId: pair.shadow_id, detail: `${missing.what} not there yet` });
      else if (missing.lack === 'row') settled.push(givenUp(pair, neverCame(missing.what)));
      else settled.push(await compare(one, checker, neverCame(missing.what), defects));
      // A comparison takes up to tens of milliseconds, and requests are answered on this thread.
      await new Promise((next) => setImmediate(next));
    }
    await settlePairs(tx, organizationId, settled);
    await postponePairs(tx, organizationId, [...waiting, ...loaded.refused]);
    const lost = settled.filter(({ state }) => state === 'given_up').length;
    const bare = settled.filter(({ state, detail }) => state === 'compared' && detail !== '').length;
    return {
      ...{ taken: due.length, compared: settled.length - lost, withoutBodies: bare, givenUp: lost },
      ...{ refused: loaded.refused.length, defects },
    };
  });
}

/** A group whose inferences the log refuses to give waits; it holds up no other. */
async function loadPairs(
  captured: CapturedInferences,
  inTransaction: InTransaction,
  organizationId: string,
  due: readonly DuePair[],
) {
  const pairs: LoadedPair[] = [];
  const refused: { shadowId: string; detail: string }[] = [];
  for (const [groupId, ofGroup] of Map.groupBy(due, ({ group_id: id }) => id)) {
    const ids = [...new Set(ofGroup.flatMap((pair) => [pair.shadow_id, pair.inference_id]))];
    try {
      const found = await captured.find(inTransaction, { organizationId, groupId, ids });
      for (const pair of ofGroup) {
        pairs.push({ pair, original: found.get(pair.inference_id), shadow: found.get(pair.shadow_id) });
      }
    } catch (error) {
      if (!(error instanceof LogUnavailableError && error.isRefusal)) throw error;
      refused.push(...ofGroup.map((pair) => ({ shadowId: pair.shadow_id, detail: error.message })));
    }
  }
  return { pairs, refused };
}

function missingPart({ original, shadow }: LoadedPair): { lack: 'row' | 'bodies'; what: string } | null {
  const [first, second] = [lackOf(original), lackOf(shadow)];
  if (first === 'row') return { lack: 'row', what: 'the row of the inference is' };
  if (second === 'row') return { lack: 'row', what: 'the row of the mirrored call is' };
  if (first === 'bodies') return { lack: 'bodies', what: 'the bodies of the inference are' };
  return second === 'bodies' ? { lack: 'bodies', what: 'the bodies of the mirrored call are' } : null;
}

function neverCame(what: string): string {
  return `${what} not in the log after a day: never brought, or removed`;
}

/** What our own code fails at would be due for ever: it is given up, and said. */
async function compare(
  { pair, original, shadow }: LoadedPair,
  checker: SchemaChecker,
  detail: string,
  defects: string[],
): Promise<SettledPair> {
  try {
    const sides = [original!, shadow!].map(({ row, payload }) => pairSideOf(row, payload));
    const form = formOf(original!.row, original!.payload);
    const [first, second] = await checkForms(
      checker,
      sides.map(({ answer }) => ({ form, answer })),
    );
    const measures = comparePair({ ...sides[0]!, isSchemaValid: first! }, { ...sides[1]!, isSchemaValid: second! });
    const isJudgeable = sides.every(({ answer }) => answer?.kind === 'chat') && hasRequest(original!);
    const judgeableKeyId = isJudgeable ? original!.row.key_id : null;
    return { shadowId: pair.shadow_id, state: 'compared', detail, measures, judgeableKeyId };
  } catch (error) {
    defects.push(`${pair.shadow_id}: ${reasonOf(error)}`);
    return givenUp(pair, `it could not be compared: ${reasonOf(error)}`);
  }
}

/** Nobody can judge answers to a question that was not kept. */
function hasRequest({ row, payload }: CapturedInference): boolean {
  return requestOf(row, payload).kind === 'kept';
}

function givenUp({ shadow_id: shadowId }: DuePair, detail: string): SettledPair {
  return { shadowId, state: 'given_up', detail, measures: {}, judgeableKeyId: null };
}
