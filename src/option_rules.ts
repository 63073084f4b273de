// What the options of a function may be: one table a function, held against what the caller gave before anything begins.
import { ArgumentError, invalid } from './errors.ts';
import { invalidWord, suggestion } from './suggest.ts';

/** What an option may be, in words and as a test. */
export interface OptionRule {
  readonly expected: string;
  readonly allows: (value: unknown) => boolean;
  /** Those that it has to be one of, so that the nearest can be suggested. */
  readonly words?: readonly string[];
  /** Whether it must be given. */
  readonly required?: boolean;
}

/** A rule for every option of a function: a type check tells of one that has none. */
export type OptionRules<Options> = Readonly<Record<keyof Options & string, OptionRule>>;

/**
 * Holds the options of the function `name` to its rules; one that is undefined counts as absent. Throws ArgumentError for what is no
 * object, a name that the function does not know, and a value that the rule does not allow.
 */
export function checkOptions<Options extends object>(
  name: string,
  options: Options,
  rules: OptionRules<Options>,
): void {
  if (!isRecord(options)) throw invalid(`the options of ${name}`, 'an object', options);
  const known = Object.keys(rules);
  const unknown = Object.keys(options).find((option) => !Object.hasOwn(rules, option));
  if (unknown !== undefined) {
    const help = suggestion(unknown, known) || `: expected one of ${known.join(', ')}`;
    throw new ArgumentError(`unknown option '${unknown}' of ${name}${help}`);
  }
  checkFields('', options, rules);
}

/** Holds fields of an object to their rules; others may lie beside them. `prefix` comes before their names. Throws ArgumentError. */
export function checkFields(prefix: string, fields: object, rules: Readonly<Record<string, OptionRule>>): void {
  for (const [name, rule] of Object.entries(rules)) {
    const value: unknown = fields[name as keyof typeof fields];
    if (value === undefined ? !rule.required : rule.allows(value)) continue;
    throw rule.words === undefined
      ? invalid(prefix + name, rule.expected, value)
      : invalidWord(prefix + name, rule.words, value);
  }
}

/** The same, but it must be given. */
export function required(rule: OptionRule): OptionRule {
  return { ...rule, required: true };
}

/** Whatever a test of its own allows; also what the function itself looks at more closely. */
export function like(expected: string, allows: (value: unknown) => boolean): OptionRule {
  return { expected, allows };
}

/** Any text but the empty one. */
export function text(expected: string): OptionRule {
  return { expected, allows: (value) => typeof value === 'string' && value !== '' };
}

/** One of some words. */
export function word(words: readonly string[]): OptionRule {
  return { expected: `one of ${words.join(', ')}`, allows: (value) => words.includes(value as string), words };
}

/** An integer from `low` to `high`, both included. */
export function whole(low: number, high = Number.MAX_SAFE_INTEGER): OptionRule {
  const expected =
    high === Number.MAX_SAFE_INTEGER ? `an integer of at least ${low}` : `an integer from ${low} to ${high}`;
  return { expected, allows: (value) => Number.isInteger(value) && Number(value) >= low && Number(value) <= high };
}

/** A number of at least `low`; infinity is one. */
export function atLeast(low: number): OptionRule {
  return { expected: `a number of at least ${low}`, allows: (value) => typeof value === 'number' && value >= low };
}

/** True or false. */
export const flag: OptionRule = { expected: 'true or false', allows: (value) => typeof value === 'boolean' };

/** A function. */
export const callback: OptionRule = { expected: 'a function', allows: (value) => typeof value === 'function' };

/** An object that is no list. */
export function record(expected: string): OptionRule {
  return { expected, allows: isRecord };
}

/** Of any realm, so it is known by what it can do. */
export const abortSignal: OptionRule = like(
  'an AbortSignal',
  (value) =>
    isRecord(value) && typeof value['aborted'] === 'boolean' && typeof value['addEventListener'] === 'function',
);

/** Whether a value is an object that is no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
