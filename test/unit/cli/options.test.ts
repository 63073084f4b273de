import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  choiceParser,
  flagOf,
  givenSettings,
  integerParser,
  numberParser,
  readNumber,
  settingOptions,
  sizeParser,
  textParser,
} from '../../../src/cli/options.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { presets, type SearchSettings, settingRules } from '../../../src/methods/darts/settings.ts';

function parseSettings(...args: string[]): Partial<SearchSettings> {
  const command = new Command().exitOverride();
  for (const option of settingOptions(settingRules, presets)) command.addOption(option);
  return givenSettings(settingRules, command.parse(args, { from: 'user' }).opts());
}

describe('readNumber', () => {
  it.each([
    ['64', 64],
    ['.5', 0.5],
    ['5.', 5],
    ['-3', -3],
    ['2.5e-3', 0.0025],
    ['1E3', 1000],
  ])('reads %s', (text, value) => expect(readNumber(text)).toBe(value));

  it.each(['', ' ', 'abc', '1x', '0x10', '1 ', '1,5', 'Infinity', 'NaN', '--layers', '1e', '.'])('refuses %j', (text) =>
    expect(readNumber(text)).toBeNaN(),
  );
});

describe('parsers', () => {
  it('sizes', () => {
    const parse = sizeParser('--memory-limit');
    expect(['1.4GB', '800 MB', '2GiB', '0.5MiB'].map(parse)).toEqual([1.4e9, 8e8, 2 ** 31, 2 ** 19]);
    for (const text of ['', '10', 'GB', '1.4gb', '-1GB', '0MB', '1TB', '1e30GB', '1.4GB please']) {
      expect(() => parse(text)).toThrow(
        new ArgumentError(`expected a size as 1.4GB or 800MB for --memory-limit but received '${text}'`),
      );
    }
  });

  it('integers', () => {
    expect(integerParser('--threads', 1)('8')).toBe(8);
    for (const text of ['0', '1.5', 'two', '1e400', '9007199254740993']) {
      expect(() => integerParser('--threads', 1)(text)).toThrow(
        new ArgumentError(`expected an integer of at least 1 for --threads but received '${text}'`),
      );
    }
  });

  it('numbers', () => {
    expect(numberParser('--checkpoint-seconds', 0)('0.05')).toBe(0.05);
    for (const text of ['-1', 'soon', '1e999']) {
      expect(() => numberParser('--checkpoint-seconds', 0)(text)).toThrow(
        'a number of at least 0 for --checkpoint-seconds',
      );
    }
  });

  it('choices', () => {
    const parse = choiceParser('--preset', ['quick', 'paper']);
    expect(parse('paper')).toBe('paper');
    expect(() => parse('Paper')).toThrow("expected one of quick, paper for --preset but received 'Paper'");
  });

  it('text', () => {
    expect(textParser('--out', 'a folder')('runs/a')).toBe('runs/a');
    expect(() => textParser('--out', 'a folder')('')).toThrow("expected a folder for --out but received ''");
  });
});

describe('settings', () => {
  it('has an option for every setting, named in kebab case', () => {
    const flags = settingOptions(settingRules, presets).map((option) => option.long);
    const turnedOff = flags.filter((flag) => flag?.startsWith('--no-'));
    expect(flags.filter((flag) => !turnedOff.includes(flag))).toEqual(Object.keys(presets.paper.settings).map(flagOf));
    expect(flags).toContain('--arch-learning-rate');
    // What a preset turns on.
    expect(turnedOff).toEqual([
      '--no-schedule-ahead',
      '--no-drawn-batches',
      '--no-file-order',
      '--no-augmented-validation',
      '--no-cutout-rise',
    ]);
  });

  it('gives back only what was given', () => {
    expect(parseSettings()).toEqual({});
    expect(parseSettings('--precision', 'bf16')).toEqual({ precision: 'bf16' });
    expect(parseSettings('--epochs', '2', '--unrolled', '--learning-rate=1e-2')).toEqual({
      epochs: 2,
      unrolled: true,
      learningRate: 0.01,
    });
  });

  it.each([
    ['--epochs', 'abc', "expected an integer of at least 1 for --epochs but received 'abc'"],
    ['--epochs', '1.5', "expected an integer of at least 1 for --epochs but received '1.5'"],
    ['--epochs', '-1', "expected an integer of at least 1 for --epochs but received '-1'"],
    ['--batch-size', '0', "expected an integer from 1 to 65536 for --batch-size but received '0'"],
    ['--train-portion', '1', "expected a number from 0.01 to 0.99 for --train-portion but received '1'"],
    ['--precision', 'fp16', "expected one of fp32, tf32, bf16 for --precision but received 'fp16'"],
    ['--arch-learning-rate', '', "expected a number from 0 to 100 for --arch-learning-rate but received ''"],
  ])('%s %s is refused in the words of the command line', (flag, text, message) => {
    expect(() => parseSettings(flag, text)).toThrow(new ArgumentError(message));
  });

  it('shows the defaults of the presets', () => {
    const help = new Map(settingOptions(settingRules, presets).map((option) => [option.long, option.description]));
    expect(help.get('--epochs')).toContain(
      `(${Object.entries(presets)
        .map(([name, { settings }]) => `${name}: ${settings.epochs}`)
        .join(', ')})`,
    );
    expect(help.get('--momentum')).toContain('(default: 0.9)');
    expect(help.get('--unrolled')).toContain('(default: off)');
  });
});
