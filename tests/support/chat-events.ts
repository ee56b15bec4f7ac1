import fc from 'fast-check';
import type { ChatEvent, PartDelta, PartHead } from '#translation/chat/events.ts';
import type { Citation, SignatureOrigin } from '#translation/chat/parts.ts';
import { type ChatUsage, FINISH_REASONS } from '#translation/chat/reply.ts';

/** Streams of one candidate in the neutral words, whose parts may be open at the same time: for properties of what writes them. */
interface PlannedPart {
  readonly head: PartHead;
  readonly deltas: readonly PartDelta[];
}

type WrittenEvent = Exclude<ChatEvent, { type: 'end' | 'error' }>;

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const pieces = fc.array(text, { maxLength: 4 });
const textDeltas = pieces.map((all): PartDelta[] => all.map((piece) => ({ kind: 'text', text: piece })));
const signatureOf = (...origins: SignatureOrigin[]) =>
  fc.record({ origin: fc.constantFrom(...origins), value: fc.base64String({ minLength: 4, maxLength: 12 }) });

const citation: fc.Arbitrary<Citation> = fc.oneof(
  fc.record({
    kind: fc.constant('document' as const),
    documentIndex: fc.nat(5),
    documentTitle: fc.option(text),
    citedText: text,
    unit: fc.constantFrom('char' as const, 'page' as const, 'block' as const),
    from: fc.nat(100),
    to: fc.nat(100),
  }),
  fc.record({
    kind: fc.constant('url' as const),
    url: fc.webUrl(),
    title: fc.option(text),
    citedText: text,
    startIndex: fc.constant(null),
    endIndex: fc.constant(null),
  }),
);

const textPart: fc.Arbitrary<PlannedPart> = fc
  .tuple(textDeltas, fc.array(citation, { maxLength: 2 }))
  .map(([deltas, citations]) => ({
    head: { kind: 'text' },
    deltas: [...deltas, ...citations.map((each): PartDelta => ({ kind: 'citation', citation: each }))],
  }));

const reasoningPart: fc.Arbitrary<PlannedPart> = fc
  .tuple(textDeltas, fc.option(signatureOf('anthropic', 'openai', 'bedrock')), fc.boolean())
  .map(([deltas, signature, redacted]) => ({
    head: { kind: 'reasoning' },
    deltas: signature === null ? deltas : [...deltas, { kind: 'signature', signature, redacted }],
  }));

const callPart: fc.Arbitrary<PlannedPart> = fc
  .tuple(
    fc.option(fc.stringMatching(/^call_[a-z0-9]{4}$/)),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
    fc.nat(20),
    fc.option(signatureOf('google')),
    fc.boolean(),
  )
  .map(([id, input, cut, signature, isLate]) => {
    // Once read, once written: what a number such as 1e21 looks like is not of interest here.
    const json = JSON.stringify(JSON.parse(JSON.stringify(input)));
    const fragments = [json.slice(0, cut), json.slice(cut)].filter((piece) => piece !== '');
    const texts = fragments.map((piece): PartDelta => ({ kind: 'text', text: piece }));
    const signed: PartDelta[] = signature === null ? [] : [{ kind: 'signature', signature, redacted: false }];
    return {
      head: { kind: 'tool_call', id, name: 'weather' },
      deltas: isLate ? [...texts, ...signed] : [...signed, ...texts],
    };
  });

const tokens = fc.option(fc.nat(1000));
const usage: fc.Arbitrary<ChatUsage> = fc.record({
  inputTokens: fc.option(fc.integer({ min: 400, max: 5000 })),
  outputTokens: tokens,
  cachedTokens: fc.option(fc.nat(200)),
  cacheWriteTokens: fc.option(fc.nat(200)),
  reasoningTokens: tokens,
  audioInputTokens: fc.constant(null),
  audioOutputTokens: fc.constant(null),
});

/** Whole streams, without `end`: parts begin in order, and go on in turns as `choices` has it. */
export const chatStreams: fc.Arbitrary<readonly WrittenEvent[]> = fc
  .record({
    parts: fc.array(fc.oneof(textPart, reasoningPart, callPart), { maxLength: 5 }),
    choices: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
    finish: fc.constantFrom(...FINISH_REASONS),
    usage: fc.option(usage),
  })
  .map(({ parts, choices, finish, usage: said }) => [
    { type: 'start', id: null, model: 'm', usage: null },
    ...interleave(parts, choices),
    {
      type: 'finish',
      candidate: 0,
      finish,
      rawFinish: finish,
      stopSequence: finish === 'stop_sequence' ? 'END' : null,
    },
    ...(said === null ? [] : [{ type: 'usage', usage: said } as const]),
  ]);

function interleave(parts: readonly PlannedPart[], choices: readonly number[]): WrittenEvent[] {
  const events: WrittenEvent[] = [];
  const open: { part: number; left: PartDelta[] }[] = [];
  let begun = 0;
  for (let turn = 0; begun < parts.length || open.length > 0; turn++) {
    const choice = choices[turn % choices.length]! % (open.length + 1);
    const chosen = open[choice];
    if (chosen === undefined) {
      if (begun === parts.length) continue;
      const { head, deltas } = parts[begun]!;
      events.push({ type: 'begin', candidate: 0, part: begun, ...head });
      open.push({ part: begun++, left: [...deltas] });
      continue;
    }
    const delta = chosen.left.shift();
    if (delta !== undefined) events.push({ type: 'delta', candidate: 0, part: chosen.part, ...delta });
    else {
      events.push({ type: 'close', candidate: 0, part: chosen.part });
      open.splice(choice, 1);
    }
  }
  return events;
}
