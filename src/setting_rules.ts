// What settings of a search or a training may be, and what help says of them.

import { isRecord } from './checks.ts';
import { ArgumentError, invalid } from './errors.ts';
import { invalidWord, suggestion } from './suggest.ts';

/** What a setting may be (bounds are inclusive), and what help says of it. */
export type SettingRule =
  | { readonly kind: 'flag'; readonly help: string }
  | { readonly kind: 'choice'; readonly words: readonly string[]; readonly help: string }
  | { readonly kind: 'integer' | 'number'; readonly low: number; readonly high: number; readonly help: string };

/** A rule for every setting, in the order in which help lists them. */
export type SettingRules<Settings> = Readonly<Record<keyof Settings & string, SettingRule>>;

/** Ready-made settings by name; `limit` is how many training images are used (all when absent). */
export type Presets<Settings, Name extends string> = Readonly<
  Record<Name, { readonly settings: Settings; readonly limit?: number }>
>;

/** Whether a setting may have a value. */
export function isAllowed(rule: SettingRule, value: unknown): boolean {
  if (rule.kind === 'flag') return typeof value === 'boolean';
  if (rule.kind === 'choice') return typeof value === 'string' && rule.words.includes(value);
  if (typeof value !== 'number' || !(value >= rule.low && value <= rule.high)) return false;
  return rule.kind === 'number' || Number.isInteger(value);
}

/** What a setting may be in words, such as 'a number from 0 to 100'. */
export function describeRule(rule: SettingRule): string {
  if (rule.kind === 'flag') return 'true or false';
  if (rule.kind === 'choice') return `one of ${rule.words.join(', ')}`;
  const noun = rule.kind === 'integer' ? 'an integer' : 'a number';
  // An upper bound that nobody comes near would only distract.
  return rule.high >= 1e6 ? `${noun} of at least ${rule.low}` : `${noun} from ${rule.low} to ${rule.high}`;
}

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolvePreset<Settings, Name extends string>(
  rules: SettingRules<Settings>,
  presets: Presets<Settings, Name>,
  preset: Name,
  overrides: Partial<Settings> = {},
): Settings {
  if (!Object.hasOwn(presets, preset)) throw invalidWord('preset', Object.keys(presets), preset);
  if (!isRecord(overrides)) throw invalid('settings', 'an object', overrides);
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(rules, name)) {
      const { message } = invalid('settings', `names among ${Object.keys(rules).join(', ')}`, name);
      throw new ArgumentError(message + suggestion(name, Object.keys(rules)));
    }
    const rule = rules[name as keyof Settings & string];
    if (rule.kind === 'choice' && !isAllowed(rule, value)) throw invalidWord(name, rule.words, value);
    if (!isAllowed(rule, value)) throw invalid(name, describeRule(rule), value);
  }
  return { ...presets[preset].settings, ...Object.fromEntries(given) };
}

/** An integer from `low` to `high`. */
export function integer(low: number, high: number, help: string): SettingRule {
  return { kind: 'integer', low, high, help };
}

/** A number from `low` to `high`. */
export function number(low: number, high: number, help: string): SettingRule {
  return { kind: 'number', low, high, help };
}

/** One of some words. */
export function choice(words: readonly string[], help: string): SettingRule {
  return { kind: 'choice', words, help };
}

/** True or false. */
export function flag(help: string): SettingRule {
  return { kind: 'flag', help };
}
