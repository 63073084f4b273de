import { invalid } from '../../src/errors.ts';

/** The value of an integer option of at least 1, or its default when absent. Throws ArgumentError for anything else. */
export function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1) throw invalid(`--${name}`, 'an integer of at least 1', text);
  return value;
}
