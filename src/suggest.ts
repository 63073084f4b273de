import { ArgumentError, invalid } from './errors.ts';

/** The refusal of a word that is none of `words`, with the nearest one where one is near. */
export function invalidWord(name: string, words: readonly string[], actual: unknown): ArgumentError {
  const { message } = invalid(name, `one of ${words.join(', ')}`, actual);
  return new ArgumentError(message + (typeof actual === 'string' ? suggestion(actual, words) : ''));
}

/** ` (Did you mean separable?)` for the nearest known word, in commander's form; nothing where none is near. */
export function suggestion(word: string, known: readonly string[]): string {
  // So short a word is another one where a letter differs: gpu is no slip for cpu.
  const most = (candidate: string) => (word.length <= 3 ? 0 : 0.4 * Math.max(word.length, candidate.length));
  const [best] = known
    // Lengths alone tell that a whole file is no slip for a word, before its letters are compared.
    .filter((candidate) => Math.abs(candidate.length - word.length) <= most(candidate))
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  if (best === undefined || best.distance > most(best.candidate)) return '';
  return ` (Did you mean ${best.candidate}?)`;
}

/** Characters to insert, drop or replace to get from one word to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
