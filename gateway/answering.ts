import { RingsideError } from '#core/errors.ts';
import type { Operation } from '#core/names.ts';
import type { AnswerContext, ChatDialect, RequestTarget } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ChatTranslation } from '#translation/chat/provider.ts';
import type { ChatReply, ChatUsage } from '#translation/chat/reply.ts';
import type { NativeWire, ReplyFacts, StreamPiece, StreamTap } from './providers/provider.ts';

/** How the answers to one call are read and given to its caller. */
export interface Answering {
  isStream(contentType: string): boolean;
  /** Whether the caller could read an answer that is a stream, or is none. */
  takes(isStream: boolean): boolean;
  openStream(): StreamTap;
  /** A whole answer, and what it says about itself. Throws `upstream_protocol` for one that cannot be read. */
  readWhole(body: Buffer, isReadable: boolean): { readonly body: Buffer; readonly facts: ReplyFacts | null };
  /** Media types of what the caller gets; null: as the upstream says. */
  readonly streamType: string | null;
  readonly wholeType: string | null;
  /** Whether bytes may go on unread: encoded ones, and those of an answer that is too large to be held. */
  readonly mayPass: boolean;
  /** A plain answer up to this size is held until it is whole. */
  readonly maxWholeBytes: number;
}

const MAX_NATIVE_WHOLE_BYTES = 1_048_576;
const MAX_TRANSLATED_WHOLE_BYTES = 64 * 1_048_576;
const NOTHING: StreamPiece = { forward: null, terminal: null };

/** The upstream speaks the caller's dialect: bytes go on unchanged. */
export function answerNatively(
  wire: NativeWire,
  hideUsage: boolean,
  framing: RequestTarget['framing'],
  operation: Operation,
): Answering {
  return new NativeAnswering(wire, hideUsage, framing, wire.maxWholeBytes?.(operation) ?? MAX_NATIVE_WHOLE_BYTES);
}

class NativeAnswering implements Answering {
  readonly streamType = null;
  readonly wholeType = null;
  readonly mayPass = true;
  readonly maxWholeBytes: number;
  readonly #wire: NativeWire;
  readonly #hideUsage: boolean;
  readonly #framing: RequestTarget['framing'];

  constructor(wire: NativeWire, hideUsage: boolean, framing: RequestTarget['framing'], maxWholeBytes: number) {
    this.maxWholeBytes = maxWholeBytes;
    this.#wire = wire;
    this.#hideUsage = hideUsage;
    this.#framing = framing;
  }

  isStream(contentType: string): boolean {
    return this.#wire.isStream(contentType, this.#framing);
  }

  /** What its dialect's upstream answers is between the two. */
  takes(): boolean {
    return true;
  }

  openStream(): StreamTap {
    return this.#wire.openStream(this.#hideUsage, this.#framing);
  }

  readWhole(body: Buffer, isReadable: boolean) {
    return { body, facts: isReadable ? this.#wire.readReply(body) : null };
  }
}

/** The upstream speaks another dialect: its answer is read and written anew. */
export function answerTranslated(
  dialect: ChatDialect,
  translation: ChatTranslation,
  context: AnswerContext,
): Answering {
  return {
    isStream: (contentType) => translation.streamTypes.includes(contentType.split(';', 1)[0]!.trim().toLowerCase()),
    takes: (isStream) => isStream === context.request.stream,
    openStream: () => new TranslatedStream(dialect, translation, context),
    readWhole(body) {
      const reply = translation.readReply(body);
      return { body: Buffer.from(dialect.writeReply(reply, context)), facts: factsOf(reply) };
    },
    streamType: dialect.streamType(context.framing),
    wholeType: 'application/json',
    mayPass: false,
    maxWholeBytes: MAX_TRANSLATED_WHOLE_BYTES,
  };
}

/** Reads a provider's stream and writes the caller's, one event after the other. */
class TranslatedStream implements StreamTap {
  sawToken = false;
  hasEvents = false;
  errorBody: Buffer | null = null;
  errorStatus: number | null = null;
  failure: RingsideError | null = null;
  readonly #reader;
  readonly #writer;
  readonly #keepAlive: string | null;
  #usage: ChatUsage | null = null;
  #rawFinish: string | null = null;
  #text = '';
  #isOver = false;

  constructor(dialect: ChatDialect, translation: ChatTranslation, context: AnswerContext) {
    this.#reader = translation.openReader();
    this.#writer = dialect.openWriter(context);
    this.#keepAlive = dialect.keepAlive(context.framing);
  }

  push(chunk: Buffer): StreamPiece {
    if (this.#isOver) return NOTHING;
    this.#guard(() => this.#reader.push(chunk, this.#take));
    const forward = this.#takeText();
    return { forward, terminal: this.#isOver && this.#isWell() ? Buffer.from(this.#writer.end()) : null };
  }

  flush(): Buffer | null {
    if (this.#isOver) return null;
    this.#guard(() => this.#reader.close(this.#take));
    const rest = this.#takeText();
    if (!this.#isWell()) return rest;
    const end = Buffer.from(this.#writer.end());
    return rest === null ? end : Buffer.concat([rest, end]);
  }

  facts(): ReplyFacts {
    return { usage: this.#usage, finishReason: this.#rawFinish };
  }

  readonly #take = (event: ChatEvent): void => {
    if (this.#isOver) return;
    switch (event.type) {
      case 'error':
        this.#isOver = true;
        this.errorBody = event.body;
        this.errorStatus = event.status;
        return;
      case 'end':
        this.#isOver = true;
        return;
      case 'alive':
        this.#text += this.#keepAlive ?? '';
        return;
      case 'start':
      case 'usage':
        this.#usage = event.usage ?? this.#usage;
        break;
      case 'finish':
        if (event.candidate === 0) this.#rawFinish = event.rawFinish;
        break;
      case 'begin':
      case 'delta':
        this.sawToken = true;
        break;
      case 'close':
      case 'logprobs':
        break;
      default:
        event satisfies never;
    }
    const written = this.#writer.write(event);
    if (written !== '') this.hasEvents = true;
    this.#text += written;
  };

  #isWell(): boolean {
    return this.failure === null && this.errorBody === null;
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (reason) {
      const error = RingsideError.from(reason);
      if (error.code === 'internal') throw reason;
      this.#isOver = true;
      this.failure = error;
    }
  }

  #takeText(): Buffer | null {
    if (this.#text === '') return null;
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    return bytes;
  }
}

function factsOf({ usage, rawFinish }: ChatReply): ReplyFacts {
  return { usage, finishReason: rawFinish };
}
