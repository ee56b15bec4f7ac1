import type { StreamEvent } from '../../dialect.ts';
import { tokenize } from '../../tokens.ts';
import { contentOf, type Draft, type DraftItem, itemOf, responseOf } from './responses-draft.ts';

/** Events as they are numbered: makes the next one. */
type Next = (type: string, fields: object, tokens?: number) => StreamEvent;

/** The events of a stream and, apart, the one that ends it. */
export function responseEvents(draft: Draft): { events: Iterable<StreamEvent>; terminator: StreamEvent } {
  let sequence = 0;
  const next: Next = (type, fields, tokens = 0) => ({
    event: type,
    data: JSON.stringify({ type, sequence_number: sequence++, ...fields }),
    tokens,
  });
  // All of them now: the terminator's number comes after theirs.
  const events = [...allEvents(draft, next)];
  const output = draft.items.map(itemOf);
  const terminator = next(`response.${draft.status}`, { response: responseOf(draft, 'ended', output) });
  return { events, terminator };
}

function* allEvents(draft: Draft, next: Next): Iterable<StreamEvent> {
  const response = responseOf(draft, 'in_progress', []);
  yield next('response.created', { response });
  yield next('response.in_progress', { response });
  for (const [outputIndex, item] of draft.items.entries()) {
    const place = { item_id: item.id, output_index: outputIndex };
    yield next('response.output_item.added', { output_index: outputIndex, item: announced(item) });
    if (item.kind === 'reasoning') yield* reasoningEvents(item, place, next);
    else if (item.kind === 'call') yield* callEvents(item, place, next);
    else yield* messageEvents(item, place, next);
    yield next('response.output_item.done', { output_index: outputIndex, item: itemOf(item) });
  }
}

type Kind<Name extends DraftItem['kind']> = Extract<DraftItem, { kind: Name }>;

function* reasoningEvents({ tokens }: Kind<'reasoning'>, item: object, next: Next): Iterable<StreamEvent> {
  if (tokens.length === 0) return;
  const place = { ...item, summary_index: 0 };
  const part = (text: string) => ({ part: { type: 'summary_text', text } });
  yield next('response.reasoning_summary_part.added', { ...place, ...part('') });
  for (const delta of tokens) yield next('response.reasoning_summary_text.delta', { ...place, delta }, 1);
  yield next('response.reasoning_summary_text.done', { ...place, text: tokens.join('') });
  yield next('response.reasoning_summary_part.done', { ...place, ...part(tokens.join('')) });
}

function* callEvents({ json, name }: Kind<'call'>, place: object, next: Next): Iterable<StreamEvent> {
  for (const [index, delta] of tokenize(json).entries()) {
    yield next('response.function_call_arguments.delta', { ...place, delta }, index === 0 ? 1 : 0);
  }
  yield next('response.function_call_arguments.done', { ...place, arguments: json, name });
}

function* messageEvents(item: Kind<'message'>, base: object, next: Next): Iterable<StreamEvent> {
  const place = { ...base, content_index: 0 };
  const { isRefusal, tokens, logprobs } = item;
  const text = tokens.join('');
  const kind = isRefusal ? 'refusal' : 'output_text';
  const logged = (from: number, to: number) => (isRefusal ? {} : { logprobs: (logprobs ?? []).slice(from, to) });
  yield next('response.content_part.added', { ...place, part: contentOf({ ...item, tokens: [], logprobs: null }) });
  for (const [index, delta] of tokens.entries()) {
    yield next(`response.${kind}.delta`, { ...place, delta, ...logged(index, index + 1) }, 1);
  }
  const whole = isRefusal ? { refusal: text } : { text, ...logged(0, tokens.length) };
  yield next(`response.${kind}.done`, { ...place, ...whole });
  yield next('response.content_part.done', { ...place, part: contentOf(item) });
}

/** An item before anything of it has come. */
function announced(item: DraftItem): object {
  switch (item.kind) {
    case 'reasoning':
      return itemOf({ ...item, tokens: [] });
    case 'call':
      return { ...itemOf({ ...item, json: '' }), status: 'in_progress' };
    case 'message':
      return { ...itemOf(item), status: 'in_progress', content: [] };
  }
}
