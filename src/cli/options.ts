// Command line values: read strictly, refused in one line that names the option.
import { Option } from 'commander';
import { invalid } from '../errors.ts';
import {
  describeRule,
  isAllowed,
  presets,
  type SearchSettings,
  type SettingRule,
  settingRules,
} from '../search/settings.ts';

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

/** One of a few words. */
export function choiceParser<T extends string>(flag: string, choices: readonly T[]): OptionParser<T> {
  return (text) => {
    const choice = choices.find((word) => word === text);
    if (choice === undefined) throw invalid(flag, `one of ${choices.join(', ')}`, text);
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

/** Every search setting as an option under the originals' name, with the presets' values in its help. */
export function settingOptions(): Option[] {
  return settingNames().map((name) => {
    const rule = settingRules[name];
    const help = `${rule.help} ${defaultsOf(name)}`;
    if (rule.kind === 'flag') return new Option(flagOf(name), help);
    if (rule.kind === 'choice') {
      return new Option(`${flagOf(name)} <name>`, help).argParser(choiceParser(flagOf(name), rule.words));
    }
    return new Option(`${flagOf(name)} <number>`, help).argParser(settingParser(flagOf(name), rule));
  });
}

/** The settings among parsed options; those not given are absent. */
export function givenSettings(options: Partial<SearchSettings>): Partial<SearchSettings> {
  const given = settingNames().filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function settingNames(): (keyof SearchSettings)[] {
  return Object.keys(settingRules) as (keyof SearchSettings)[];
}

function settingParser(flag: string, rule: SettingRule): OptionParser<number> {
  return (text) => {
    const value = readNumber(text);
    if (!isAllowed(rule, value)) throw invalid(flag, describeRule(rule), text);
    return value;
  };
}

function defaultsOf(name: keyof SearchSettings): string {
  const [quick, paper] = [presets.quick.settings[name], presets.paper.settings[name]];
  return quick === paper ? `(default: ${shown(paper)})` : `(quick: ${shown(quick)}, paper: ${shown(paper)})`;
}

function shown(value: number | boolean | string): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}
