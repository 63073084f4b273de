import type { Command } from 'commander';
import { datasetNames } from '../data/load.ts';
import { type PresetName, presets, type SearchSettings, settingRules } from '../methods/darts/settings.ts';
import { search } from '../run/search.ts';
import { spaces } from '../space/space.ts';
import { choiceParser, givenSettings } from './options.ts';
import { addImageOptions, addRunOptions, followRun, type RunFlags, runOptionsOf } from './run_command.ts';

interface SearchFlags extends RunFlags, Partial<SearchSettings> {
  readonly preset?: PresetName;
  readonly space?: string;
}

const examples = `
Examples:
  dartsmith search
  dartsmith search --dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --unrolled
  dartsmith search --dataset folder --data-dir photographs --image-size 64 --epochs 10 --out runs/mine
  dartsmith search --resume runs/mine --threads 4
  dartsmith search --json > events.jsonl

Ctrl-C finishes the step, writes a checkpoint and says how to go on; the second one quits at once. SIGTERM, SIGHUP and output that
nobody reads any more (| head) do the same.`;

/** Adds `dartsmith search`. */
export function addSearchCommand(program: Command): void {
  const command = program
    .command('search')
    .summary('search an architecture')
    .description('Searches an architecture with DARTS (arXiv:1806.09055) and writes it to a run directory.');
  const names = Object.keys(spaces);
  addRunOptions(command, settingRules, presets, datasetNames, (own) => {
    own.option('--space <name>', `search space: ${names.join(', ')} (default: darts)`, choiceParser('--space', names));
    addImageOptions(own);
  });
  command.addHelpText('after', examples).action(runSearchCommand);
}

function runSearchCommand(flags: SearchFlags): Promise<void> {
  const { preset, space, resume } = flags;
  return followRun('search', flags, (directory, signal) => {
    const options = runOptionsOf(flags, directory, signal);
    if (resume !== undefined) return search(options);
    return search({ ...options, preset, space, settings: givenSettings<SearchSettings>(settingRules, flags) });
  });
}
