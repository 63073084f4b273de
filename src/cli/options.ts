// Command line values: read strictly, refused in one line that names the option.
import { Option } from 'commander';
import { ArgumentError, invalid } from '../errors.ts';
import { presets, resolveSettings, type SearchSettings } from '../search/settings.ts';

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

const settingHelp: Readonly<Record<keyof SearchSettings, string>> = {
  batchSize: 'images a step',
  epochs: 'passes over the training half',
  initChannels: 'channels of the first cell',
  layers: 'number of cells',
  trainPortion: 'share of the images that weights learn on; alpha learns on the rest',
  learningRate: 'of the weights, at the start',
  learningRateMin: 'where the cosine schedule ends',
  momentum: 'of the weights',
  weightDecay: 'of the weights',
  gradClip: 'largest norm of the weight gradient',
  archLearningRate: 'of alpha',
  archWeightDecay: 'of alpha',
  unrolled: 'second order: alpha follows the hypergradient through one unrolled step',
  cutout: 'hide a random square of each training image',
  cutoutLength: 'side of that square in pixels',
};

/** Every search setting as an option under the originals' name, with the presets' values in its help. */
export function settingOptions(): Option[] {
  return (Object.keys(settingHelp) as (keyof SearchSettings)[]).map((name) => {
    const help = `${settingHelp[name]} ${defaultsOf(name)}`;
    if (typeof presets.paper.settings[name] === 'boolean') return new Option(flagOf(name), help);
    return new Option(`${flagOf(name)} <number>`, help).argParser(settingParser(name));
  });
}

/** The settings among parsed options; those not given are absent. */
export function givenSettings(options: Partial<SearchSettings>): Partial<SearchSettings> {
  const names = Object.keys(settingHelp) as (keyof SearchSettings)[];
  return Object.fromEntries(names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
}

/** A numeric setting, held to the library's own bounds; their message is told with the option and the text as typed. */
function settingParser(name: keyof SearchSettings): OptionParser<number> {
  return (text) => {
    const value = readNumber(text);
    try {
      resolveSettings('paper', { [name]: value });
      return value;
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      const [, expectation] = /^expected (.*) for \w+ but received /.exec(error.message) ?? [];
      throw expectation === undefined ? error : invalid(flagOf(name), expectation, text);
    }
  };
}

function defaultsOf(name: keyof SearchSettings): string {
  const [quick, paper] = [presets.quick.settings[name], presets.paper.settings[name]];
  return quick === paper ? `(default: ${shown(paper)})` : `(quick: ${shown(quick)}, paper: ${shown(paper)})`;
}

function shown(value: number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}
