// What functions take, as rules with words for errors. Nothing that a rule is asked about is converted or trusted.
import { types } from 'node:util';
import { invalid } from './errors.ts';

/** What a value may be, and how an error says so. */
export interface Rule {
  /** Such as 'a positive integer'. */
  readonly words: string;
  holds(value: unknown): boolean;
}

/** Throws ArgumentError naming `name` where a value does not meet a rule. */
export function check(name: string, value: unknown, { words, holds }: Rule): void {
  if (!holds(value)) throw invalid(name, words, value);
}

/** The same, where the value may be left out. */
export function checkOptional(name: string, value: unknown, rule: Rule): void {
  if (value !== undefined) check(name, value, rule);
}

/** Whether a value has fields to be read by name. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws ArgumentError unless a value is an object; `contents` says what it holds, such as 'inputShape and classes'. */
export function checkRecord(name: string, value: unknown, contents: string): void {
  if (!isRecord(value)) throw invalid(name, `an object with ${contents}`, value);
}

/**
 * Throws ArgumentError where options are no object or hold one that is not known, such as a misspelt one. Those in `ignored` may be
 * there for others to read.
 */
export function checkOptions(
  name: string,
  options: unknown,
  known: readonly string[],
  ignored: readonly string[] = [],
): void {
  if (!isRecord(options)) throw invalid(name, `an object with ${known.join(', ')}`, options);
  for (const key of Object.keys(options)) {
    if (options[key] !== undefined && !known.includes(key) && !ignored.includes(key)) {
      throw invalid(`a field of ${name}`, `one of ${known.join(', ')}`, key);
    }
  }
}

/** An integer; without a bound that is worth telling, `high` is the largest that a double counts to. */
export function anInteger(low: number, high = Number.MAX_SAFE_INTEGER): Rule {
  const isOpen = high === Number.MAX_SAFE_INTEGER;
  const words =
    low === 1 && isOpen
      ? 'a positive integer'
      : isOpen
        ? `an integer of at least ${low}`
        : `an integer from ${low} to ${high}`;
  return { words, holds: (value) => Number.isSafeInteger(value) && Number(value) >= low && Number(value) <= high };
}

/** A number from `low` to `high`, both included. */
export function aNumber(low: number, high: number): Rule {
  const words = `a number from ${low} to ${high}`;
  return { words, holds: (value) => typeof value === 'number' && value >= low && value <= high };
}

/** A number from 0 to below 1. */
export const aShareBelowOne: Rule = {
  words: 'a number in [0, 1)',
  holds: (value) => typeof value === 'number' && value >= 0 && value < 1,
};

/** A number that float32 can hold. */
export const finite: Rule = { words: 'a finite number', holds: isSingle };

/** A number that float32 can hold, not below 0. */
export const notNegative: Rule = {
  words: 'a finite number of at least 0',
  holds: (value) => isSingle(value) && Number(value) >= 0,
};

/** A number that float32 can hold and tells from 0. */
export const positive: Rule = {
  words: 'a positive finite number',
  holds: (value) => isSingle(value) && Math.fround(Number(value)) > 0,
};

/** One of some words. */
export function oneOf(choices: readonly string[]): Rule {
  const words = choices.length <= 2 ? choices.map((word) => `'${word}'`).join(' or ') : `one of ${choices.join(', ')}`;
  return { words, holds: (value) => typeof value === 'string' && choices.includes(value) };
}

export const aBoolean: Rule = { words: 'true or false', holds: (value) => typeof value === 'boolean' };

/** A text that names something. */
export const aName: Rule = { words: 'a name', holds: (value) => typeof value === 'string' && value !== '' };

export const aFunction: Rule = { words: 'a function', holds: (value) => typeof value === 'function' };

export const aSignal: Rule = { words: 'an AbortSignal', holds: (value) => value instanceof AbortSignal };

/** A seed of random streams. */
export const aSeed: Rule = { ...anInteger(0), words: 'a non-negative integer below 2^53' };

/** A list whose every item meets a rule. */
export function listOf(rule: Rule, words: string): Rule {
  return { words, holds: (value) => Array.isArray(value) && everyItem(value, rule) };
}

/** The same of a given length. */
export function listOfLength(length: number, rule: Rule, words: string): Rule {
  return { words, holds: (value) => Array.isArray(value) && value.length === length && everyItem(value, rule) };
}

/** Array types that the engine reads. */
const arrayTypes = {
  Float32Array: types.isFloat32Array,
  Int32Array: types.isInt32Array,
  Uint32Array: types.isUint32Array,
  Uint8Array: types.isUint8Array,
} as const;

/** A typed array of a type and of `length` elements, which `of` names. An array whose buffer was handed over has none. */
export function typedArray(type: keyof typeof arrayTypes, length: number, of = 'elements'): Rule {
  const words = `${type === 'Int32Array' ? 'an' : 'a'} ${type} of ${length} ${of}`;
  return { words, holds: (value) => isTypedArray(type, value) && value.length === length };
}

/** Whether a value is a typed array of a type, whatever its realm. */
export function isTypedArray(type: keyof typeof arrayTypes, value: unknown): value is ArrayLike<number> {
  return arrayTypes[type](value);
}

function isSingle(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(Math.fround(value));
}

/** Not `every`, which passes over the holes of a list. */
function everyItem(list: readonly unknown[], { holds }: Rule): boolean {
  for (let i = 0; i < list.length; i++) if (!holds(list[i])) return false;
  return true;
}
