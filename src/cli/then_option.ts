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

/** What the text of `--then` asks for. Throws ArgumentError. */
export function parseThen(text: string, method: Method): TrainingOptions {
  const [name, ...args] = text.trim().split(/\s+/);
  if (name !== 'train') throw refusal(`expected train, alone or with options, but got '${name}'`);
  const command = new Command('train').exitOverride().allowExcessArguments(false).helpOption(false);
  command.configureOutput({ writeErr: () => {} });
  addPresetOption(command, method);
  addLimitOption(command, method);
  command.option('--seed <number>', '', integerParser('--seed', 0));
  if (method.data === 'images') addPortionOption(command);
  addSettingOptions(command, method);
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError || error instanceof ArgumentError)) throw error;
    throw refusal(error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
  }
  const { preset, seed, limit, validationPortion, ...flags } = command.opts();
  return { preset, seed, limit, validationPortion, settings: givenSettings(method.settings, flags) };
}

function refusal(what: string): ArgumentError {
  return new ArgumentError(`in --then: ${what}`);
}
