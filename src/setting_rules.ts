// Settings of a method as a table: what each may be, where it stands when nobody says otherwise, and what help says of it.

import { isRecord } from './checks.ts';
import { ArgumentError, invalid } from './errors.ts';
import { invalidWord, suggestion } from './suggest.ts';

/** True or false. */
export interface FlagRule {
  readonly kind: 'flag';
  readonly default: boolean;
  readonly help: string;
}

/** One of some words. */
export interface ChoiceRule<Word extends string = string> {
  readonly kind: 'choice';
  readonly default: Word;
  readonly words: readonly Word[];
  readonly help: string;
}

/** A text, which the method itself looks at more closely. */
export interface TextRule {
  readonly kind: 'text';
  readonly default: string;
  /** What it may be. */
  readonly words: string;
  readonly help: string;
}

/** A number within bounds, both included. */
export interface NumberRule {
  readonly kind: 'integer' | 'number';
  readonly default: number;
  readonly low: number;
  readonly high: number;
  readonly help: string;
}

/** What a setting may be, its default, and what help says of it. */
export type SettingRule = FlagRule | ChoiceRule | NumberRule | TextRule;

/** A rule for every setting, in the order in which help lists them. */
export type SettingTable = Readonly<Record<string, SettingRule>>;

/** The settings that a table describes. */
export type SettingsOf<Table extends SettingTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

type ValueOf<Rule> = Rule extends FlagRule
  ? boolean
  : Rule extends ChoiceRule<infer Word>
    ? Word
    : Rule extends TextRule
      ? string
      : number;

/** Settings by name, where it does not matter of which method. */
export type Settings = SettingsOf<SettingTable>;

/** Ready-made settings. */
export interface Preset<Values> {
  readonly settings: Values;
  /** Training images that are used; all when absent. */
  readonly limit?: number;
  /** Name of the search space; the method's first when absent. */
  readonly space?: string;
  /** Name of the skeleton whose networks it is for; `darts` when absent. */
  readonly skeleton?: string;
}

/** Presets by name; the first is the default. */
export type Presets<Values, Name extends string = string> = Readonly<Record<Name, Preset<Values>>>;

/** Presets from what each changes of a table's defaults. */
export function presetsOf<Table extends SettingTable, Name extends string>(
  table: Table,
  changes: Readonly<Record<Name, Preset<Partial<SettingsOf<Table>>>>>,
): Presets<SettingsOf<Table>, Name> {
  const defaults = Object.fromEntries(Object.entries(table).map(([name, rule]) => [name, rule.default]));
  const filled = Object.entries<Preset<object>>(changes).map(([name, { settings, ...rest }]) => [
    name,
    { settings: { ...defaults, ...settings }, ...rest },
  ]);
  return Object.fromEntries(filled) as Presets<SettingsOf<Table>, Name>;
}

const longestText = 10_000;

/** Whether a setting may have a value. */
export function isAllowed(rule: SettingRule, value: unknown): boolean {
  if (rule.kind === 'flag') return typeof value === 'boolean';
  if (rule.kind === 'choice') return typeof value === 'string' && rule.words.includes(value);
  if (rule.kind === 'text') return typeof value === 'string' && value.length <= longestText;
  if (typeof value !== 'number' || !(value >= rule.low && value <= rule.high)) return false;
  return rule.kind === 'number' || Number.isInteger(value);
}

/** What a setting may be in words, such as 'a number from 0 to 100'. */
export function describeRule(rule: SettingRule): string {
  if (rule.kind === 'flag') return 'true or false';
  if (rule.kind === 'choice') return `one of ${rule.words.join(', ')}`;
  if (rule.kind === 'text') return rule.words;
  const noun = rule.kind === 'integer' ? 'an integer' : 'a number';
  // An upper bound that nobody comes near would only distract.
  return rule.high >= 1e6 ? `${noun} of at least ${rule.low}` : `${noun} from ${rule.low} to ${rule.high}`;
}

/** The first preset for networks of a skeleton, or else the first of all: what is taken where nobody names one. */
export function usualPreset(presets: Presets<unknown>, wanted: string): string {
  const names = Object.keys(presets);
  return names.find((name) => (presets[name].skeleton ?? 'darts') === wanted) ?? names[0];
}

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolvePreset<Values extends object, Name extends string>(
  table: SettingTable,
  presets: Presets<Values, Name>,
  preset: Name,
  overrides: Partial<Values> = {},
): Values {
  if (!Object.hasOwn(presets, preset)) throw invalidWord('preset', Object.keys(presets), preset);
  return { ...presets[preset].settings, ...checkSettings(table, overrides) };
}

/** Those of some settings that are given. Throws ArgumentError for an unknown name or a value out of range. */
export function checkSettings(table: SettingTable, settings: object): object {
  if (!isRecord(settings)) throw invalid('settings', 'an object', settings);
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(table, name)) {
      const { message } = invalid('settings', `names among ${Object.keys(table).join(', ')}`, name);
      throw new ArgumentError(message + suggestion(name, Object.keys(table)));
    }
    const rule = table[name];
    if (rule.kind === 'choice' && !isAllowed(rule, value)) throw invalidWord(name, rule.words, value);
    if (!isAllowed(rule, value)) throw invalid(name, describeRule(rule), value);
  }
  return Object.fromEntries(given);
}

/** An integer from `low` to `high`. */
export function integer(usual: number, low: number, high: number, help: string): NumberRule {
  return { kind: 'integer', default: usual, low, high, help };
}

/** A number from `low` to `high`. */
export function number(usual: number, low: number, high: number, help: string): NumberRule {
  return { kind: 'number', default: usual, low, high, help };
}

/** One of some words. */
export function choice<const Word extends string>(
  usual: NoInfer<Word>,
  words: readonly Word[],
  help: string,
): ChoiceRule<Word> {
  return { kind: 'choice', default: usual, words, help };
}

/** A text. */
export function text(usual: string, words: string, help: string): TextRule {
  return { kind: 'text', default: usual, words, help };
}

/** True or false. */
export function flag(usual: boolean, help: string): FlagRule {
  return { kind: 'flag', default: usual, help };
}
