import { SKIP_STRING_WASM_BASE64 } from './skip-string.generated.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The offset of the quote that closes a string, looking from a byte of it that is not escaped; -1 when it never closes. */
export type EndOfLongString = (bytes: Buffer, from: number) => number;

/** Finds the first unescaped quote in what was written to `staging`; see skip-string.wat. */
export interface SkipString {
  readonly staging: Uint8Array;
  skip(lengthBytes: number): number;
}

/** Where one way of reading a string gives way to the next. The result does not depend on them. */
export interface StringLimits {
  /** An escaped quote this near to where the search began: the string is dense, and searches do not pay. */
  readonly denseBytes: number;
  /** What is copied to the module at first, a multiple of 64: most strings end in it. */
  readonly firstPieceBytes: number;
  /** And then, a multiple of 64: small enough to stay in the core's caches. */
  readonly pieceBytes: number;
}

const LIMITS: StringLimits = { denseBytes: 1_024, firstPieceBytes: 1_024, pieceBytes: 16_384 };

/** What is used of the global; TypeScript declares it for browsers only. */
interface WasmApi {
  validate(code: Uint8Array): boolean;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly skip: SkipString['skip'] };
  };
}

/** An instance of the module; null where WebAssembly or its SIMD is not available. Takes 0.3 ms, once a thread. */
export function loadSkipString(): SkipString | null {
  const api = (globalThis as { WebAssembly?: WasmApi }).WebAssembly;
  const code = Buffer.from(SKIP_STRING_WASM_BASE64, 'base64');
  if (api === undefined || !api.validate(code)) return null;
  const { memory, skip } = new api.Instance(new api.Module(code)).exports;
  return { staging: new Uint8Array(memory.buffer), skip };
}

/** A native search costs as much as looking at this many bytes here. */
const NEAR_BYTES = 64;

// hot
/** The offset of the quote that closes the string opened at `open`; -1 when it never closes. */
export function endOfString(bytes: Buffer, open: number, endOfLongString: EndOfLongString): number {
  const near = Math.min(open + 1 + NEAR_BYTES, bytes.length);
  let at = open + 1;
  for (; at < near; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return endOfLongString(bytes, at);
}

/** A reader of long strings, without the module where `module` is null. */
export function createEndOfLongString(module: SkipString | null, limits: StringLimits = LIMITS): EndOfLongString {
  const { denseBytes, firstPieceBytes, pieceBytes } = limits;

  function skipInPieces({ staging, skip }: SkipString, bytes: Buffer, from: number): number {
    let at = from;
    let piece = firstPieceBytes;
    while (at < bytes.length) {
      const length = Math.min(piece, bytes.length - at);
      bytes.copy(staging, 0, at, at + length);
      const found = skip(length);
      if (found < length) return at + found;
      // Behind the body's last byte nothing is found, whatever the staging area holds there from earlier calls.
      if (at + length === bytes.length) return -1;
      at += found;
      piece = pieceBytes;
    }
    return -1;
  }

  return function endOfLongString(bytes, start) {
    for (let from = start; ; ) {
      // A clean stretch is jumped over.
      const quote = bytes.indexOf(QUOTE, from);
      if (quote === -1) return -1;
      let backslashes = 0;
      while (quote - 1 - backslashes >= from && bytes[quote - 1 - backslashes] === BACKSLASH) backslashes++;
      if (backslashes % 2 === 0) return quote;
      // Text full of escaped quotes, as prompts with code in them are.
      if (module !== null && quote - from < denseBytes) return skipInPieces(module, bytes, quote + 1);
      // Without the module it is walked through.
      const near = Math.min(quote + 1 + NEAR_BYTES, bytes.length);
      for (from = quote + 1; from < near; from++) {
        const byte = bytes[from]!;
        if (byte === QUOTE) return from;
        if (byte === BACKSLASH) from++;
      }
    }
  };
}
