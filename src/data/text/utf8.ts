import { isUtf8 } from 'node:buffer';

/** Where bytes cease to be UTF-8; undefined where all are. Overlong forms and surrogates are not. */
export function invalidByte(bytes: Uint8Array): number | undefined {
  if (isUtf8(bytes)) return undefined;
  let at = 0;
  for (let length = 1; length > 0; at += length) length = characterLength(bytes, at);
  return at;
}

/** Bytes of the character at a place; 0 where there is none. */
function characterLength(bytes: Uint8Array, at: number): number {
  const length = lengthOf(bytes[at]);
  const [low, high] = secondBytes.get(bytes[at]) ?? [0x80, 0xbf];
  if (length > 1 && !(bytes[at + 1] >= low && bytes[at + 1] <= high)) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  return length;
}

/** Bytes that a first one announces; 0 where it may be none. */
function lengthOf(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The least and the largest second byte, where others would be an overlong form, a surrogate or lie beyond U+10FFFF. */
const secondBytes: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0xe0, [0xa0, 0xbf]],
  [0xed, [0x80, 0x9f]],
  [0xf0, [0x90, 0xbf]],
  [0xf4, [0x80, 0x8f]],
]);
