import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { invalid } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError } from '../io/file_error.ts';
import { drawStrength } from '../report/draw_strength.ts';
import { rasterise } from '../report/rasterise.ts';
import { findStrength, type Strength, type StrengthOptions, strengthEdges } from '../run/strength.ts';
import { criteria } from '../select/absence.ts';
import { formatDuration } from './format.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { createLiveLine } from './live_line.ts';
import { choiceParser, integerParser, numberParser, readNumber, textParser } from './options.ts';
import { isLiveTerminal } from './paint.ts';
import { addDeviceOptions, type DeviceFlags, withDeviceOptions } from './run_command.ts';
import { strengthLines } from './strength_report.ts';

const examples = `
Examples:
  dartsmith strength runs/s2
  dartsmith strength runs/mine --images 1000 --plain-scores --edges ends
  dartsmith strength runs/mine --edges normal.0.1,reduce.3.4 --proj-crit loss --json
  dartsmith strength runs/mine --converge 20 --edges 3

A candidate is as strong as the accuracy that its absence costs, scored as
select --by projection does (DARTS-PT, arXiv:2108.04392); with --converge, as the
accuracy with it alone on the edge, fine-tuned from the checkpoint on. Writes
strength.json, .svg and .png, or converged.json, .svg and .png.`;

/** Options of the command line. */
interface StrengthFlags
  extends Pick<
      StrengthOptions,
      | 'stage'
      | 'epoch'
      | 'edges'
      | 'images'
      | 'plainScores'
      | 'projCrit'
      | 'batchSize'
      | 'converge'
      | 'patience'
      | 'learningRate'
      | 'dataDir'
      | 'workers'
    >,
    DeviceFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds `dartsmith strength`. */
export function addStrengthCommand(program: Command): void {
  const command = program
    .command('strength')
    .summary("how much a search's supernet needs each candidate, beside what alpha says")
    .description("Scores a search's supernet without each candidate of its edges, and holds that against alpha.")
    .argument('<run>', 'the run directory of a search')
    .option('--stage <name>', 'of a search in stages: which (default: the last)', textParser('--stage', 'a stage'))
    .option(
      '--epoch <number>',
      'a snapshot of so many epochs that the search kept (default: its checkpoint)',
      integerParser('--epoch', 1),
    )
    .option(
      '--edges <which>',
      'all; ends, the first and the last of every cell; some with commas between, such as normal.0.1; or how many at random (default: all; with --converge 3)',
      parseEdges,
    )
    .option(
      '--images <number>',
      'score on so many validation images, chosen at random (default: all)',
      integerParser('--images', 2),
    )
    .option('--plain-scores', 'score on images as they are, in their order, rather than augmented and shuffled anew')
    .option(
      '--proj-crit <name>',
      'what tells how much an absence costs: acc or loss (default: acc)',
      choiceParser('--proj-crit', criteria),
    )
    .option(
      '--batch-size <number>',
      'images a batch of scores and of fine-tuning (default: 64)',
      integerParser('--batch-size', 1),
    )
    .option('--data-dir <folder>', "the data's files (default: the run's)", textParser('--data-dir', 'a folder'))
    .optionsGroup('Discretisation accuracy at convergence:')
    .option(
      '--converge <epochs>',
      'put each candidate alone on its edge and fine-tune until it stands still, so many epochs at most',
      integerParser('--converge', 1),
    )
    .option(
      '--patience <epochs>',
      'epochs without a better accuracy after which it stands still (default: 3)',
      integerParser('--patience', 1),
    )
    .option('--learning-rate <number>', 'of fine-tuning (default: 0.0025)', numberParser('--learning-rate', 0))
    .optionsGroup('Options:');
  addDeviceOptions(command);
  command
    .option('-o, --out <folder>', 'where files go (default: RUN/strength)', textParser('--out', 'a folder'))
    .option('--json', 'print what the JSON file holds, and write nothing')
    .addHelpText('after', examples)
    .action(strength);
}

/** A word, a number, or names of edges. */
function parseEdges(given: string): NonNullable<StrengthOptions['edges']> {
  const known = strengthEdges.find((word) => word === given);
  if (known !== undefined) return known;
  const number = readNumber(given);
  if (Number.isSafeInteger(number) && number > 0) return number;
  const names = given.split(',').map((name) => name.trim());
  if (names.every((name) => /^\w+(\.\d+){2,3}$/.test(name))) return names;
  throw invalid('--edges', 'all, ends, edges such as normal.0.1,reduce.3.4 or how many at random', given);
}

async function strength(run: string, { out, json = false, ...flags }: StrengthFlags): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  const live = isLiveTerminal(process.stderr, process.env) ? createLiveLine(process.stderr) : undefined;
  const unit = flags.converge === undefined ? 'scores' : 'steps of fine-tuning at most';
  let begun: number | undefined;
  const onProgress = (done: number, of: number) => {
    begun ??= performance.now();
    // The first one alone has opened the images.
    const left = ((performance.now() - begun) / 1000 / Math.max(1, done - 1)) * (of - done);
    const text = `${done} of ${of} ${unit}${done > 1 ? `  ${formatDuration(left)} left` : ''}`;
    live?.draw((room) => text.slice(0, room), done === of);
  };
  try {
    const given = Object.entries(withDeviceOptions(flags)).filter(([, value]) => value !== undefined);
    const found = await findStrength({ ...Object.fromEntries(given), run, signal: interrupt.signal, onProgress });
    live?.close();
    if (json) return void process.stdout.write(`${JSON.stringify(found)}\n`);
    const folder = out ?? join(run, 'strength');
    const lines = strengthLines(found);
    await writeStrength(folder, run, found);
    process.stdout.write(`${[...lines, '', `wrote ${folder}`].join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}

async function writeStrength(folder: string, run: string, found: Strength): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('write', folder, error);
  });
  const name = found.measure === 'absence' ? 'strength' : 'converged';
  const write = (ending: string, contents: string | Uint8Array) =>
    writeFileAtomic(join(folder, `${name}.${ending}`), contents);
  const svg = drawStrength(run, found);
  await write('json', `${JSON.stringify(found, null, 2)}\n`);
  await write('svg', svg);
  await write('png', await rasterise(svg));
}
