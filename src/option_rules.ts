// What the options of a function may be: one table a function, held against what the caller gave before anything begins.
import { isRecord, type Rule } from './checks.ts';
import { ArgumentError, invalid } from './errors.ts';
import { suggestion } from './suggest.ts';

/** What an option may be. */
export interface OptionRule extends Rule {
  /** Words among which the nearest can be suggested. */
  readonly choices?: readonly string[];
  /** Whether it must be given. */
  readonly required?: boolean;
}

/** A rule for every option of a function: the type check tells of one that has none. */
export type OptionRules<Options> = Readonly<Record<keyof Options & string, OptionRule>>;

/**
 * Holds the options of the function `name` to its rules; one that is undefined counts as absent. Throws ArgumentError for what is no
 * object, a name that the function does not know, and a value that the rule does not allow.
 */
export function checkOptionRules<Options extends object>(
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
    if (value === undefined ? !rule.required : rule.holds(value)) continue;
    const { message } = invalid(prefix + name, rule.words, value);
    throw new ArgumentError(message + (typeof value === 'string' ? suggestion(value, rule.choices ?? []) : ''));
  }
}

/** The same, but it must be given. */
export function required(rule: OptionRule): OptionRule {
  return { ...rule, required: true };
}

/** Anything: it is looked at where it is used. */
export const checkedLater: OptionRule = { words: 'anything', holds: () => true };

/** Any text but the empty one. */
export function text(words: string): OptionRule {
  return { words, holds: (value) => typeof value === 'string' && value !== '' };
}

/** One of some words. */
export function word(choices: readonly string[]): OptionRule {
  return { words: `one of ${choices.join(', ')}`, holds: (value) => choices.includes(value as string), choices };
}

/** One of some words, or an object that the function itself looks at more closely. */
export function wordOr(choices: readonly string[], object: string): OptionRule {
  const words = `one of ${choices.join(', ')}, or ${object}`;
  return { words, holds: (value) => choices.includes(value as string) || isRecord(value), choices };
}

/** An object that the function itself looks at more closely. */
export function record(words: string): OptionRule {
  return { words, holds: isRecord };
}

/** A number of at least `low`; infinity is one. */
export function atLeast(low: number): OptionRule {
  return { words: `a number of at least ${low}`, holds: (value) => typeof value === 'number' && value >= low };
}
