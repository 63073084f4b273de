// Command line values: read strictly, refused in one line that names the option.
import { Option } from 'commander';
import { invalid } from '../errors.ts';
import {
  describeRule,
  isAllowed,
  type Presets,
  type SettingRule,
  type Settings,
  type SettingTable,
} from '../setting_rules.ts';
import { invalidWord } from '../suggest.ts';

/** Turns the text of an option into its value. Throws ArgumentError. */
export type OptionParser<T> = (text: string) => T;

/** A number as people write it ('64', '.5', '2.5e-3'); NaN for anything else. */
export function readNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** An integer of at least `low`. */
export function integerParser(flag: string, low: number): OptionParser<number> {
  return (text) => {
    const value = readNumber(text);
    if (!(Number.isSafeInteger(value) && value >= low)) throw invalid(flag, `an integer of at least ${low}`, text);
    return value;
  };
}

/** A finite number of at least `low`. */
export function numberParser(flag: string, low: number): OptionParser<number> {
  return (text) => {
    const value = readNumber(text);
    if (!(Number.isFinite(value) && value >= low)) throw invalid(flag, `a number of at least ${low}`, text);
    return value;
  };
}

/** Bytes, as people write them: 1.4GB, 800 MB, 2GiB. */
export function sizeParser(flag: string): OptionParser<number> {
  const units: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, MiB: 2 ** 20, GiB: 2 ** 30 };
  return (text) => {
    const [, number = '', unit = ''] = /^(.*?) ?([MG]i?B)$/.exec(text) ?? [];
    const bytes = Math.round(readNumber(number) * (units[unit] ?? Number.NaN));
    if (!(Number.isSafeInteger(bytes) && bytes >= 1)) throw invalid(flag, 'a size as 1.4GB or 800MB', text);
    return bytes;
  };
}

/** One of a few words. */
export function choiceParser<T extends string>(flag: string, choices: readonly T[]): OptionParser<T> {
  return (text) => {
    const choice = choices.find((word) => word === text);
    if (choice === undefined) throw invalidWord(flag, choices, text);
    return choice;
  };
}

/** Any text but the empty one, which is what an unset shell variable leaves. */
export function textParser(flag: string, expectation: string): OptionParser<string> {
  return (text) => {
    if (text.trim() === '') throw invalid(flag, expectation, text);
    return text;
  };
}

/** The option of a name in camel case: batchSize to --batch-size. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Every setting as an option under the originals' name, with the presets' values in its help. */
export function settingOptions(table: SettingTable, presets: Presets<Settings>): Option[] {
  return Object.entries(table).flatMap(([name, rule]) => {
    const flag = flagOf(name);
    const values = Object.entries(presets).map(([preset, { settings }]) => [preset, settings[name]] as const);
    const help = `${rule.help} ${defaults(values)}`;
    if (rule.kind === 'flag') {
      const off = values.some(([, value]) => value === true)
        ? [new Option(`--no-${flag.slice(2)}`, 'turns it off')]
        : [];
      return [new Option(flag, help), ...off];
    }
    if (rule.kind === 'choice') {
      return [new Option(`${flag} <name>`, help).argParser(choiceParser(flag, rule.words))];
    }
    if (rule.kind === 'text') return [new Option(`${flag} <text>`, help).argParser(textParser(flag, rule.words))];
    return [new Option(`${flag} <number>`, help).argParser(settingParser(flag, rule))];
  });
}

/** The settings among parsed options; those not given are absent. */
export function givenSettings(table: SettingTable, options: Readonly<Record<string, unknown>>): object {
  const given = Object.keys(table).filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function settingParser(flag: string, rule: SettingRule): OptionParser<number> {
  return (text) => {
    const value = readNumber(text);
    if (!isAllowed(rule, value)) throw invalid(flag, describeRule(rule), text);
    return value;
  };
}

function defaults(values: readonly (readonly [preset: string, value: unknown])[]): string {
  const [[, first]] = values;
  if (values.every(([, value]) => value === first)) return `(default: ${shown(first)})`;
  return `(${values.map(([preset, value]) => `${preset}: ${shown(value)}`).join(', ')})`;
}

function shown(value: unknown): string {
  if (value === '') return 'none';
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}
