import { atOnce, type Steps } from '../slices.ts';

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** What is read in some 100 microseconds. */
const stepTokens = 512;

/** The first key that occurs twice in one object of a valid JSON text: JSON.parse would silently keep the last. */
export function duplicateKey(text: string): string | undefined {
  return atOnce(duplicateKeySteps(text));
}

/** {@link duplicateKey} as work that may rest. */
export function* duplicateKeySteps(text: string): Steps<string | undefined> {
  const open: (Set<string> | undefined)[] = []; // one entry a nesting level, undefined for arrays
  let string = '';
  let count = 0;
  for (const [symbol] of text.matchAll(token)) {
    if (++count % stepTokens === 0) yield;
    if (symbol === '{') open.push(new Set());
    else if (symbol === '[') open.push(undefined);
    else if (symbol === '}' || symbol === ']') open.pop();
    else if (symbol === ':') {
      const keys = open.at(-1);
      const key = JSON.parse(string) as string;
      if (keys?.has(key)) return key;
      keys?.add(key);
    } else string = symbol;
  }
  return undefined;
}
