import { reasonOf } from '#core/reason.ts';
import { comparePair } from '#core/shadow/measures.ts';
import { findPayloads, type PayloadRow } from '#store/inferences.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import {
  type DuePair,
  type PairedRow,
  pairedRows,
  postponePairs,
  type SettledPair,
  settlePairs,
  takeDuePairs,
} from '#store/shadow-pairs.ts';
import { requestOf } from '../inferences/captured.ts';
import { checkForms, formOf } from './check-forms.ts';
import { pairSideOf } from './pair-side.ts';
import type { SchemaChecker } from './schema-checker.ts';

export interface ComparePairsDeps {
  /** Of the role `application`. */
  readonly db: Db;
  readonly checker: SchemaChecker;
}

/** What one batch came to. */
export interface ComparedBatch {
  /** Of all that were due; fewer than were asked for: no more are. */
  readonly taken: number;
  readonly compared: number;
  readonly givenUp: number;
  /** Pairs that our own code failed at, which are given up. */
  readonly defects: readonly string[];
}

/** A pair with what the log has of it. Undefined: not there (yet). */
interface LoadedPair {
  readonly pair: DuePair;
  readonly original: LoadedRow | undefined;
  readonly shadow: LoadedRow | undefined;
}

interface LoadedRow {
  readonly row: PairedRow;
  readonly payload: PayloadRow | undefined;
}

const DAY_MS = 86_400_000;
/** How long the log may lack a side: a gateway may bring its inferences late. */
const LONGEST_WAIT_MS = DAY_MS;

/**
 * Compares pairs of an organization, in one transaction: what was measured and that it was is written together, so each pair is compared
 * exactly once, whatever is killed when and however many work at it.
 *
 *   due ──both rows are in the log──▶ compared
 *    ├────one is missing──▶ pending, looked at again after as long as it has waited
 *    └────one is missing, after a day──▶ given up
 *
 */
export function comparePairs(
  { db, checker }: ComparePairsDeps,
  organizationId: string,
  limit: number,
): Promise<ComparedBatch> {
  return inOrganization(db, organizationId, async (tx) => {
    const due = await takeDuePairs(tx, organizationId, limit);
    const settled: SettledPair[] = [];
    const waiting: { shadowId: string; detail: string }[] = [];
    const defects: string[] = [];
    for (const loaded of await loadPairs(tx, organizationId, due)) {
      const { pair } = loaded;
      const missing = missingSide(loaded);
      if (missing === null) settled.push(await compare(loaded, checker, defects));
      else if (pair.waitedMs > LONGEST_WAIT_MS) settled.push(givenUp(pair, `${missing} has not come in a day`));
      else waiting.push({ shadowId: pair.shadow_id, detail: `${missing} is not there yet` });
      // A comparison takes up to tens of milliseconds, and requests are answered on this thread.
      await new Promise((next) => setImmediate(next));
    }
    await settlePairs(tx, organizationId, settled);
    await postponePairs(tx, organizationId, waiting);
    const lost = settled.filter(({ state }) => state === 'given_up').length;
    return { taken: due.length, compared: settled.length - lost, givenUp: lost, defects };
  });
}

async function loadPairs(tx: Tx, organizationId: string, due: readonly DuePair[]): Promise<LoadedPair[]> {
  const loaded: LoadedPair[] = [];
  for (const [groupId, pairs] of Map.groupBy(due, ({ group_id: id }) => id)) {
    const ids = [...new Set(pairs.flatMap((pair) => [pair.shadow_id, pair.inference_id]))];
    const rows = await pairedRows(tx, organizationId, groupId, ids);
    const payloads = await findPayloads(tx, organizationId, [...rows.values()]);
    const find = (id: string): LoadedRow | undefined => {
      const row = rows.get(id);
      return row && { row, payload: payloads.get(id) };
    };
    for (const pair of pairs) {
      loaded.push({ pair, original: find(pair.inference_id), shadow: find(pair.shadow_id) });
    }
  }
  return loaded;
}

function missingSide({ original, shadow }: LoadedPair): string | null {
  if (original === undefined) return 'the row of the inference';
  return shadow === undefined ? 'the row of the mirrored call' : null;
}

/** What our own code fails at would be due for ever: it is given up, and said. */
async function compare(
  { pair, original, shadow }: LoadedPair,
  checker: SchemaChecker,
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
    return { shadowId: pair.shadow_id, state: 'compared', detail: '', measures, judgeableKeyId };
  } catch (error) {
    defects.push(`${pair.shadow_id}: ${reasonOf(error)}`);
    return givenUp(pair, `it could not be compared: ${reasonOf(error)}`);
  }
}

/** Nobody can judge answers to a question that was not kept. */
function hasRequest({ row, payload }: LoadedRow): boolean {
  return requestOf(row, payload).kind === 'kept';
}

function givenUp({ shadow_id: shadowId }: DuePair, detail: string): SettledPair {
  return { shadowId, state: 'given_up', detail, measures: {}, judgeableKeyId: null };
}
