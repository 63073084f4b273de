// White space as Python's str.split has it: not JavaScript's, which counts U+FEFF and leaves out U+001C to U+001F and U+0085.

/** What a byte of UTF-8 may be the beginning of. */
export const byteKinds = { letter: 0, space: 1, lineEnd: 2, wideSpace: 3 } as const;

/** Of each byte, one of {@link byteKinds}; `wideSpace` leads white space of several bytes or a letter. */
export const kindOfByte: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x0a || byte === 0x0d) return byteKinds.lineEnd;
  if ((byte >= 0x09 && byte <= 0x0c) || (byte >= 0x1c && byte <= 0x20)) return byteKinds.space;
  return byte === 0xc2 || (byte >= 0xe1 && byte <= 0xe3) ? byteKinds.wideSpace : byteKinds.letter;
});

/** Bytes of the white space that a byte of the kind `wideSpace` leads in sound UTF-8; 0 where it leads a letter. */
export function wideSpaceAt(bytes: Uint8Array, at: number): 0 | 2 | 3 {
  const [first, second, third] = [bytes[at], bytes[at + 1], bytes[at + 2]];
  if (first === 0xc2) return second === 0x85 || second === 0xa0 ? 2 : 0;
  if (first === 0xe1) return second === 0x9a && third === 0x80 ? 3 : 0;
  if (first === 0xe3) return second === 0x80 && third === 0x80 ? 3 : 0;
  if (second === 0x81) return third === 0x9f ? 3 : 0;
  return second === 0x80 && (third <= 0x8a || third === 0xa8 || third === 0xa9 || third === 0xaf) ? 3 : 0;
}

/** Whether a byte of sound UTF-8 that begins a character, or goes on with one, belongs to a word. */
export function isLetter(bytes: Uint8Array, at: number): boolean {
  const kind = kindOfByte[bytes[at]];
  return kind === byteKinds.letter || (kind === byteKinds.wideSpace && wideSpaceAt(bytes, at) === 0);
}

/** Whether a text may stand in a file of words as one of them. */
export function isWord(text: string): boolean {
  // Halves of characters, which UTF-8 has no bytes for, would become another word.
  if (text === '' || /\p{Cs}/u.test(text)) return false;
  const bytes = new TextEncoder().encode(text);
  return bytes.every((_, at) => isLetter(bytes, at));
}
