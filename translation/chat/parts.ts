/**
 * What a conversation is made of, in no provider's words. A dialect folder reads callers' bodies into it and writes answers out of
 * it; a provider folder does the reverse: n dialects and m providers are n + m translations, not n × m.
 */

/** Where a thing stands in the caller's body, in the caller's spelling: `messages[2].content[0].image_url`. For errors only. */
export type At = string;

/** The provider is asked to cache the prompt up to and including this part. Null lifetime: the provider's default. */
export interface CacheMark {
  readonly ttl: '5m' | '1h' | null;
}

/** Where an image, a document or a recording is. `data` is base64 without line breaks and without a `data:` prefix. */
export type Source =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  /** Stored at the provider before, under an id that only it knows. */
  | { readonly kind: 'file'; readonly fileId: string; readonly mediaType: string | null };

/**
 * A provider's proof that it wrote a piece of reasoning or a tool call. Nobody but its `origin` accepts it, so it travels with
 * its origin and is left out for every other provider.
 */
export interface Signature {
  readonly origin: SignatureOrigin;
  readonly value: string;
}

export const SIGNATURE_ORIGINS = ['anthropic', 'google', 'openai', 'bedrock'] as const;
export type SignatureOrigin = (typeof SIGNATURE_ORIGINS)[number];

/** What a text rests on. Offsets count UTF-16 units of the text that carries the citation; null where the provider gives none. */
export type Citation =
  | {
      readonly kind: 'url';
      readonly url: string;
      readonly title: string | null;
      readonly citedText: string | null;
      readonly startIndex: number | null;
      readonly endIndex: number | null;
    }
  | {
      readonly kind: 'document';
      readonly documentIndex: number;
      readonly documentTitle: string | null;
      readonly citedText: string;
      /** What `from` and `to` count, in the cited document. */
      readonly unit: 'char' | 'page' | 'block';
      readonly from: number;
      readonly to: number;
    };

interface Part {
  readonly at: At;
  readonly cache: CacheMark | null;
}

export interface TextPart extends Part {
  readonly type: 'text';
  readonly text: string;
  readonly citations: readonly Citation[];
}

export interface ImagePart extends Part {
  readonly type: 'image';
  readonly source: Source;
  readonly detail: 'auto' | 'low' | 'high' | null;
}

export interface DocumentPart extends Part {
  readonly type: 'document';
  readonly source: Source | { readonly kind: 'text'; readonly text: string };
  readonly title: string | null;
  /** Whether the answer shall cite it. */
  readonly citations: boolean;
}

export interface AudioPart extends Part {
  readonly type: 'audio';
  readonly source: Source;
}

export interface VideoPart extends Part {
  readonly type: 'video';
  readonly source: Source;
}

export interface ToolCallPart extends Part {
  readonly type: 'tool_call';
  /** Null where the provider gives none: the dialect's writer makes one (see {@link toolCallId}). */
  readonly id: string | null;
  readonly name: string;
  /** JSON text as the model wrote it: of an object as a rule, broken at times. Never parsed and written anew on its way to a caller. */
  readonly arguments: string;
  readonly signature: Signature | null;
}

export interface ToolResultPart extends Part {
  readonly type: 'tool_result';
  readonly callId: string;
  /** The tool's name; readers fill it in from the call that it answers. Null where there is no such call. */
  readonly name: string | null;
  readonly parts: readonly (TextPart | ImagePart | DocumentPart)[];
  readonly isError: boolean;
}

/** The model's thoughts. A part with only a signature or only `redacted` is what a provider gives when it hides them. */
export interface ReasoningPart extends Part {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature: Signature | null;
  /** Encrypted thoughts, instead of `text`. */
  readonly redacted: Signature | null;
}

export interface RefusalPart extends Part {
  readonly type: 'refusal';
  readonly text: string;
}

/** What a user says, and what tools said. */
export type UserPart = TextPart | ImagePart | DocumentPart | AudioPart | VideoPart | ToolResultPart;

/** What a model says. */
export type ModelPart = TextPart | ToolCallPart | ReasoningPart | RefusalPart | ImagePart | AudioPart;

/** A tool call's id where the provider gave none: the same for the same answer, streamed or not. */
export function toolCallId(inferenceId: string, index: number): string {
  return `call_${inferenceId.replaceAll('-', '').slice(-20)}${index}`;
}
