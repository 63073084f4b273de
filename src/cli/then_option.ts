// --then: the training that follows a search, as a command line of its own.
import { Command, CommanderError } from 'commander';
import { ArgumentError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import type { TrainingOptions } from '../run/options.ts';
import { addLimitOption, addPortionOption, addPresetOption, addSettingOptions } from './method_options.ts';
import { givenSettings, integerParser, textParser } from './options.ts';

/** Adds it to a search. */
export function addThenOption(command: Command): void {
  command.option(
    '--then <command>',
    "train what it finds in the same run, in RUN/train: train, or with options of its own 'train --preset cifar10 --epochs 20' (default preset: that of this search)",
    textParser('--then', 'train'),
  );
}

/** What the text of `--then`, or of another flag of its kind, asks for. Throws ArgumentError. */
export function parseThen(text: string, method: Method, flag = '--then'): TrainingOptions {
  const [name, ...args] = text.trim().split(/\s+/);
  if (name !== 'train') throw refusal(flag, `expected train, alone or with options, but got '${name}'`);
  const command = new Command('train');
  addPresetOption(command, method);
  addLimitOption(command, method);
  command.option('--seed <number>', '', integerParser('--seed', 0));
  if (method.data === 'images') addPortionOption(command);
  addSettingOptions(command, method);
  const { preset, seed, limit, validationPortion, ...flags } = parseWords(command, args, flag);
  return { preset, seed, limit, validationPortion, settings: givenSettings(method.settings, flags) };
}

/** The options that words after a flag stand for, of a command line within one. Throws ArgumentError that names the flag. */
export function parseWords(command: Command, words: readonly string[], flag: string): ReturnType<Command['opts']> {
  command.exitOverride().allowExcessArguments(false).helpOption(false);
  command.configureOutput({ writeErr: () => {} });
  try {
    return command.parse(words, { from: 'user' }).opts();
  } catch (error) {
    if (!(error instanceof CommanderError || error instanceof ArgumentError)) throw error;
    throw refusal(flag, error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
  }
}

function refusal(flag: string, what: string): ArgumentError {
  return new ArgumentError(`in ${flag}: ${what}`);
}
