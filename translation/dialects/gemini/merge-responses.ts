import { isRecord, type JsonRecord } from '../../wires/exact-json.ts';

/** What a part or a candidate costs beside its text, in characters. */
const NODE_COST = 32;

/** A text that comes in pieces. `lost`: a part of it was dropped. */
interface TextPart {
  readonly fields: JsonRecord;
  text: string;
  lost: boolean;
}

type KeptPart = TextPart | { readonly whole: JsonRecord };

interface KeptCandidate {
  readonly parts: KeptPart[];
  role: unknown;
  fields: JsonRecord;
}

/**
 * Adds up responses within a budget of characters: texts of one kind that follow each other grow, other parts are kept whole, of everything
 * else the newest counts. What the budget does not hold is dropped, and a text that goes on in what was dropped loses `lookAhead`
 * characters more: what is looked for in it may have begun there.
 */
export class ResponseMerge {
  /** Whether anything was dropped. */
  isCut = false;
  #left: number;
  readonly #lookAhead: number;
  readonly #candidates = new Map<number, KeptCandidate>();
  #fields: JsonRecord = {};

  constructor(budget: number, lookAhead: number) {
    this.#left = budget;
    this.#lookAhead = lookAhead;
  }

  add(response: JsonRecord): void {
    const { candidates, ...rest } = response;
    this.#fields = this.#newest(this.#fields, rest);
    if (!Array.isArray(candidates)) return;
    candidates.forEach((candidate: unknown, position) => {
      if (isRecord(candidate)) this.#addCandidate(candidate, position);
    });
  }

  /** The response that they make. */
  answer(): JsonRecord {
    const sorted = [...this.#candidates].sort(([a], [b]) => a - b);
    const candidates = sorted.map(([index, { parts, role, fields }]) => ({
      ...fields,
      index,
      content: { parts: parts.map((part) => this.#written(part)), ...(role === undefined ? {} : { role }) },
    }));
    return candidates.length === 0 ? this.#fields : { ...this.#fields, candidates };
  }

  #addCandidate(candidate: JsonRecord, position: number): void {
    // The text once more, token by token; whoever redacts does not keep it.
    const { index, content, logprobsResult, ...rest } = candidate;
    const key = typeof index === 'number' ? index : position;
    let kept = this.#candidates.get(key);
    if (kept === undefined) {
      if (!this.#take(NODE_COST)) return;
      kept = { parts: [], role: undefined, fields: {} };
      this.#candidates.set(key, kept);
    }
    kept.fields = this.#newest(kept.fields, isRecord(logprobsResult) ? { ...rest, logprobsResult: {} } : rest);
    if (!isRecord(content)) return;
    if (typeof content['role'] === 'string') kept.role = content['role'].slice(0, NODE_COST);
    for (const part of Array.isArray(content['parts']) ? content['parts'] : []) {
      if (isRecord(part)) this.#addPart(kept.parts, part);
    }
  }

  #addPart(parts: KeptPart[], part: JsonRecord): void {
    const { text, ...fields } = part;
    const last = parts.at(-1);
    if (typeof text !== 'string') return this.#addWhole(parts, part);
    const isSame =
      last !== undefined && 'text' in last && (last.fields['thought'] === true) === (fields['thought'] === true);
    if (isSame && last.fields['thoughtSignature'] === undefined) {
      this.#grow(last, text);
      if (this.#take(costOf(fields))) Object.assign(last.fields, fields);
      return;
    }
    // The last piece of a stream is often an empty one.
    if (text === '' && Object.keys(fields).length === 0) return;
    if (!this.#take(NODE_COST + costOf(fields))) return;
    const added: TextPart = { fields: { ...fields }, text: '', lost: false };
    this.#grow(added, text);
    parts.push(added);
  }

  /** Arguments that come in pieces go on in the call before (Vertex AI, `streamFunctionCallArguments`). */
  #addWhole(parts: KeptPart[], part: JsonRecord): void {
    if (!this.#take(NODE_COST + costOf(part))) return;
    const call = part['functionCall'];
    const last = parts.at(-1);
    const open = last !== undefined && 'whole' in last ? last.whole['functionCall'] : null;
    const pieces = isRecord(call) ? call['partialArgs'] : null;
    if (isRecord(open) && isRecord(call) && call['name'] === undefined && Array.isArray(pieces)) {
      open['partialArgs'] = joinPieces(Array.isArray(open['partialArgs']) ? open['partialArgs'] : [], pieces);
    } else parts.push({ whole: part });
  }

  #grow(part: TextPart, text: string): void {
    const fits = text.slice(0, Math.max(0, this.#left));
    this.#left -= text.length;
    part.text += fits;
    if (fits.length === text.length) return;
    part.lost = true;
    this.isCut = true;
  }

  #written(part: KeptPart): JsonRecord {
    if ('whole' in part) return part.whole;
    const { text, lost, fields } = part;
    return { ...fields, text: lost ? text.slice(0, Math.max(0, text.length - this.#lookAhead)) : text };
  }

  /** `before` with what is newer and fits in. */
  #newest(before: JsonRecord, newer: JsonRecord): JsonRecord {
    const made = { ...before };
    for (const [key, value] of Object.entries(newer)) {
      if (value === null || value === undefined) continue;
      const cost = costOf(value) - (Object.hasOwn(made, key) ? costOf(made[key]) : -key.length);
      if (this.#take(Math.max(0, cost))) made[key] = value;
    }
    return made;
  }

  #take(cost: number): boolean {
    if (cost > this.#left) {
      this.isCut = true;
      return false;
    }
    this.#left -= cost;
    return true;
  }
}

/** Pieces of one text are named by the same path. */
function joinPieces(before: readonly unknown[], pieces: readonly unknown[]): unknown[] {
  const joined = [...before];
  for (const piece of pieces) {
    const last = joined.at(-1);
    const goesOn = isRecord(last) && isRecord(piece) && last['jsonPath'] === piece['jsonPath'];
    const [head, tail] = goesOn ? [last['stringValue'], piece['stringValue']] : [null, null];
    if (goesOn && typeof head === 'string' && typeof tail === 'string') {
      joined[joined.length - 1] = { ...last, ...piece, stringValue: head + tail };
    } else joined.push(piece);
  }
  return joined;
}

/** What is nested too deeply to be written costs more than there is. */
function costOf(value: unknown): number {
  try {
    return JSON.stringify(value)?.length ?? 0;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
