// Options that follow from a method's description, for every command that runs it.
import type { Command } from 'commander';
import type { Method } from '../methods/method.ts';
import { usualPreset } from '../setting_rules.ts';
import { choiceParser, integerParser, numberParser, settingOptions } from './options.ts';

/** Adds the choice among a method's presets. */
export function addPresetOption(command: Command, { presets }: Method): void {
  const names = Object.keys(presets);
  const last = names.length > 2 ? `${names.slice(0, -1).join(', ')} or ${names.at(-1)}` : names.join(' or ');
  const skeletons = new Set(names.flatMap((name) => presets[name].skeleton ?? []));
  const others = [...skeletons].map((skeleton) => `; of a ${skeleton} network ${usualPreset(presets, skeleton)}`);
  const help = `${last} (default: ${names[0]}${others.join('')})`;
  command.option('--preset <name>', help, choiceParser('--preset', names));
}

/** Adds how many training images are used, which a preset may say. */
export function addLimitOption(command: Command, { presets, data }: Method): void {
  const limits = Object.entries(presets).map(([name, { limit }]) => `${name}: ${limit ?? 'all'}`);
  const help = `use only so many training ${data === 'text' ? 'words, and a tenth as many others' : 'images'} (${limits.join(', ')})`;
  command.option('--limit <number>', help, integerParser('--limit', 2));
}

/** Adds how often a run writes a checkpoint. */
export function addCheckpointOption(command: Command): void {
  command.option(
    '--checkpoint-seconds <number>',
    'time between checkpoints within an epoch (default: 60)',
    numberParser('--checkpoint-seconds', 0),
  );
}

/** Adds how often a checkpoint is kept beside the last one. */
export function addSnapshotOption(command: Command): void {
  command.option(
    '--snapshot-epochs <number>',
    'also keep the checkpoint of every so many epochs, in RUN/snapshots (default: none)',
    integerParser('--snapshot-epochs', 1),
  );
}

/** Adds whether a run writes event files too. */
export function addTensorboardOption(command: Command): void {
  command.option(
    '--tensorboard',
    'also write event files for TensorBoard, in RUN/tensorboard (tensorboard --logdir RUN)',
  );
}

/** Adds the settings of a method, in a group of their own: those that come behind belong to it. */
export function addSettingOptions(command: Command, { settings, presets }: Method): void {
  command.optionsGroup('Settings, under the names of the published code:');
  for (const option of settingOptions(settings, presets)) command.addOption(option);
}

/** Adds the option of what a training is scored on where there are no test images. */
export function addPortionOption(command: Command): void {
  command.option(
    '--validation-portion <share>',
    'score on this share of the training images, which are not learned from, instead of test images',
    numberParser('--validation-portion', 0),
  );
}
