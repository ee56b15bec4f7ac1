import type { ParsedRequest } from './ingress.ts';

/** The upstream's body in pieces, none of them copied: the caller's bytes with the model's name replaced and the insertion put in. */
// hot
export function spliceBody(body: Buffer, request: ParsedRequest, modelJson: Buffer): Buffer[] {
  const { modelSpan, insertion } = request;
  if (modelSpan === null) return insertion === null ? [body] : splice(body, [insertion]);
  if (insertion === null) {
    return [body.subarray(0, modelSpan.start), modelJson, body.subarray(modelSpan.end)];
  }
  return splice(
    body,
    [{ span: modelSpan, text: modelJson }, insertion].sort((a, b) => a.span.start - b.span.start),
  );
}

function splice(body: Buffer, edits: readonly NonNullable<ParsedRequest['insertion']>[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { span, text } of edits) {
    pieces.push(body.subarray(from, span.start), text);
    from = span.end;
  }
  pieces.push(body.subarray(from));
  return pieces;
}

/** How long all pieces are together, in bytes. */
export function lengthOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}
