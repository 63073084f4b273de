import { isUtf8 } from 'node:buffer';

/** Where bytes cease to be UTF-8; undefined where all are. Overlong forms and surrogates are not. */
export function invalidByte(bytes: Uint8Array): number | undefined {
  if (isUtf8(bytes)) return undefined;
  let at = 0;
  for (let length = 1; length > 0; at += length) length = characterLength(bytes, at);
  return at;
}

/** Bytes of the character at a place; 0 where there is none, as behind the end. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length =
    first >= 0xc2 && first < 0xe0 ? 2 : (first & 0xf0) === 0xe0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  const { low, high } = secondBytes[first] ?? { low: 0x80, high: 0xbf };
  const isSound = bytes[at + 1] >= low && bytes[at + 1] <= high;
  for (let i = 2; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  return isSound ? length : 0;
}

/** Second bytes that leave out overlong forms, surrogates and what lies beyond U+10FFFF. */
const secondBytes: Readonly<Record<number, { readonly low: number; readonly high: number }>> = {
  224: { low: 0xa0, high: 0xbf },
  237: { low: 0x80, high: 0x9f },
  240: { low: 0x90, high: 0xbf },
  244: { low: 0x80, high: 0x8f },
};
