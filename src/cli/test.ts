import type { Command } from 'commander';
import { datasetNames } from '../data/load.ts';
import { AbortedError, ArgumentError } from '../errors.ts';
import { type TrainSettings, trainPresets } from '../evaluate/settings.ts';
import { type TestOptions, type TestResult, test } from '../run/test.ts';
import { plainWeightsHelp } from './export.ts';
import { formatRate, formatShare, formatTable } from './format.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { listenForInterrupt } from './interrupt.ts';
import { createLiveLine } from './live_line.ts';
import { choiceParser, integerParser, textParser } from './options.ts';
import { isLiveTerminal } from './paint.ts';
import { addDeviceOptions, addImageOptions, type RunFlags } from './run_command.ts';
import { trainingOf } from './training_run.ts';

interface TestFlags
  extends Pick<RunFlags, 'dataset' | 'dataDir' | 'imageSize' | 'workers' | 'threads' | 'backend' | 'gpu' | 'json'>,
    Partial<Pick<TrainSettings, 'batchSize'>> {
  readonly arch?: string;
  readonly weights?: string;
  readonly averages: boolean;
}

const examples = `
Examples:
  dartsmith test --arch runs/mine-trained
  dartsmith test --arch DARTS_V2 --weights weights.safetensors --dataset cifar10 --data-dir cifar-10-batches-bin

The run directory of a training brings its weights and its data.`;

const published = trainPresets.cifar10.settings;
/** Rows of a confusion matrix that fit a screen. */
const mostShownClasses = 20;

/** Adds `dartsmith test`. */
export function addTestCommand(program: Command): void {
  const command = program
    .command('test')
    .summary('score a trained network on test images')
    .description('Scores a trained network: accuracy, loss, accuracy by class, confusion matrix, images a second.')
    .option('--arch <genotype>', genotypeArgumentHelp, textParser('--arch', 'a genotype'))
    .option(
      '--weights <file>',
      'safetensors or PyTorch file (default: that of the run that --arch names)',
      textParser('--weights', 'a file'),
    )
    .option('--no-averages', plainWeightsHelp)
    .option(
      '--dataset <name>',
      `${datasetNames.join(', ')} (default: the run's)`,
      choiceParser('--dataset', datasetNames),
    )
    .option('--data-dir <folder>', "its files (default: the run's)", textParser('--data-dir', 'a folder'))
    .option(
      '--batch-size <number>',
      `images at a time (default: ${published.batchSize})`,
      integerParser('--batch-size', 1),
    );
  addImageOptions(command);
  addDeviceOptions(command);
  command.option('--json', 'print one JSON object').addHelpText('after', examples).action(runTestCommand);
}

async function runTestCommand(flags: TestFlags): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  const live = flags.json || !isLiveTerminal(process.stdout, process.env) ? undefined : createLiveLine(process.stdout);
  try {
    const options = await optionsOf(flags);
    const result = await test({
      ...options,
      signal: interrupt.signal,
      onProgress: (done, images) => live?.draw(() => `${done} of ${images} images`, done === images),
    });
    live?.close();
    for (const notice of result.notices) process.stderr.write(`${notice}\n`);
    process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${reportLines(result).join('\n')}\n`);
  } catch (error) {
    throw error instanceof AbortedError ? new AbortedError('interrupted') : error;
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}

async function optionsOf(flags: TestFlags): Promise<Omit<TestOptions, 'signal' | 'onProgress'>> {
  const { arch, weights, averages, dataset, dataDir, imageSize, workers, threads, backend, gpu, batchSize } = flags;
  if (arch === undefined) {
    throw new ArgumentError('expected --arch, the run directory of a training, or a genotype beside --weights');
  }
  const { genotype, run } = await genotypeArgument(arch);
  const known = run === undefined ? undefined : await trainingOf(run);
  const file = weights ?? known?.weights;
  if (file === undefined) {
    throw new ArgumentError(`expected --weights beside --arch ${arch}: only the run of a training brings its own`);
  }
  const common = { genotype, weights: file, averages, batchSize, imageSize, workers, threads, backend, index: gpu };
  if (dataset !== undefined) return { ...common, dataset, dataDir };
  if (known?.dataset === undefined) throw new ArgumentError(`expected --dataset, one of ${datasetNames.join(', ')}`);
  return { ...common, dataset: known.dataset, dataDir: dataDir ?? known.dataDir, limit: known.limit };
}

function reportLines({
  images,
  loss,
  accuracy,
  top5,
  confusion,
  classNames,
  unreadable,
  imagesPerSecond,
  device,
}: TestResult): string[] {
  const nameOf = (label: number) => classNames[label] ?? String(label);
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const classes = confusion.map((row, label) => {
    const predicted = sum(confusion.map((other) => other[label]));
    const mistaken = row.map((count, other) => [count, other] as const).filter(([, other]) => other !== label);
    const [most, as] = mistaken.reduce((worst, next) => (next[0] > worst[0] ? next : worst), [0, label] as const);
    return [
      nameOf(label),
      String(sum(row)),
      sum(row) === 0 ? '-' : formatShare(row[label] / sum(row)),
      predicted === 0 ? '-' : formatShare(row[label] / predicted),
      most === 0 ? '' : `${most} as ${nameOf(as)}`,
    ];
  });
  const fits = confusion.length <= mostShownClasses;
  const numbers = confusion.map((_, label) => label + 1);
  return [
    `accuracy ${formatShare(accuracy)}, top-5 ${formatShare(top5)}, loss ${loss.toFixed(4)}: ${images} test images`,
    `${formatRate(imagesPerSecond)} images/s on ${device}`,
    ...unreadable.map(({ file, reason }) => `left out, since it cannot be read: ${file} (${reason})`),
    '',
    ...formatTable([['class', 'images', 'recall', 'precision', 'most often mistaken'], ...classes], [1, 2, 3]),
    ...(fits
      ? [
          '',
          'confusion matrix: a row a class, a column a prediction',
          ...formatTable(
            [
              ['', ...confusion.map((_, label) => nameOf(label))],
              ...confusion.map((row, label) => [nameOf(label), ...row.map(String)]),
            ],
            numbers,
          ),
        ]
      : []),
  ];
}
