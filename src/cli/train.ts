import type { Command } from 'commander';
import { datasetNames } from '../data/load.ts';
import { ArgumentError } from '../errors.ts';
import {
  type TrainPresetName,
  type TrainSettings,
  trainPresets,
  trainSettingRules,
} from '../methods/train/settings.ts';
import { train } from '../run/train.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { givenSettings, textParser } from './options.ts';
import {
  addImageOptions,
  addPortionOption,
  addRunOptions,
  followRun,
  type RunFlags,
  runOptionsOf,
} from './run_command.ts';

interface TrainFlags extends RunFlags, Partial<TrainSettings> {
  readonly preset?: TrainPresetName;
  readonly arch?: string;
}

const examples = `
Examples:
  dartsmith train --arch DARTS_V2
  dartsmith train --arch runs/mine --preset cifar10 --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/mine-trained
  dartsmith train --arch genotype.json --epochs 20 --no-auxiliary
  dartsmith train --arch DARTS_V2 --preset imagenet --dataset imagenet --data-dir ILSVRC2012 --out runs/imagenet
  dartsmith train --arch runs/mine --dataset folder --data-dir photographs --image-size 64 --validation-portion 0.1
  dartsmith train --resume runs/mine-trained

Ctrl-C finishes the step, writes a checkpoint and says how to go on; the second one quits at once. SIGTERM, SIGHUP and output that
nobody reads any more (| head) do the same.`;

/** Adds `dartsmith train`. */
export function addTrainCommand(program: Command): void {
  const command = program
    .command('train')
    .summary('train the network of a genotype from scratch')
    .description(
      'Trains the derived network of a genotype from scratch (arXiv:1806.09055, section 3.2), scores it on the test images after each epoch and writes its weights to a run directory.',
    )
    .option('--arch <genotype>', genotypeArgumentHelp, textParser('--arch', 'a genotype'));
  addRunOptions(command, trainSettingRules, trainPresets, datasetNames, (own) => {
    addImageOptions(own);
    addPortionOption(own);
  });
  command.addHelpText('after', examples).action(runTrainCommand);
}

async function runTrainCommand(flags: TrainFlags): Promise<void> {
  const { preset, arch, resume, validationPortion } = flags;
  if (resume === undefined && arch === undefined) {
    throw new ArgumentError(
      'expected --arch, the genotype whose network is trained, such as --arch DARTS_V2 or a run directory',
    );
  }
  const given = resume === undefined && arch !== undefined ? await genotypeArgument(arch) : undefined;
  return followRun('train', flags, (directory, signal) => {
    const options = runOptionsOf(flags, directory, signal);
    if (given === undefined) return train(options);
    const settings = givenSettings<TrainSettings>(trainSettingRules, flags);
    return train({ ...options, genotype: given.genotype, preset, settings, validationPortion });
  });
}
