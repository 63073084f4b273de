import type { Command } from 'commander';
import { type DatasetName, datasetNames } from '../data/load.ts';
import { type CorpusName, corpusNames } from '../data/text/corpus.ts';
import { ArgumentError } from '../errors.ts';
import type { Genotype, RecurrentGenotype } from '../genotype/genotype.ts';
import { type TestOptions, type TestResult, test, usualBatchSize } from '../run/test.ts';
import { type TestTextResult, testText } from '../run/test_text.ts';
import { plainWeightsHelp } from './export.ts';
import { formatClasses, formatCount, formatRate, formatShare, formatTable } from './format.ts';
import { addLayersOption, addNetworkOptions, genotypeArgumentHelp, networkGenotype } from './genotype_argument.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { createLiveLine } from './live_line.ts';
import { addPortionOption } from './method_options.ts';
import { choiceParser, integerParser, numberParser, textParser } from './options.ts';
import { isLiveTerminal } from './paint.ts';
import {
  addDeviceOptions,
  addImageOptions,
  type DeviceFlags,
  type RunFlags,
  withDeviceOptions,
} from './run_command.ts';
import { type TrainingOfRun, trainingOf } from './training_run.ts';

interface TestFlags
  extends Pick<
    RunFlags,
    | 'dropDeadNodes'
    | 'dataset'
    | 'dataDir'
    | 'imageSize'
    | 'colourProfile'
    | 'validationPortion'
    | 'workers'
    | keyof DeviceFlags
    | 'json'
  > {
  readonly batchSize?: number;
  readonly bptt?: number;
  readonly labelSmooth?: number;
  readonly arch?: string;
  readonly weights?: string;
  readonly averages: boolean;
}

const examples = `
Examples:
  dartsmith test --arch runs/mine-trained
  dartsmith test --arch runs/mine-trained --data-dir photographs
  dartsmith test --arch FairDARTS_b --weights FairDARTS-b.tar --dataset cifar10 --data-dir cifar-10-batches-bin
  dartsmith test --arch runs/my-language-model --data-dir text
  dartsmith test --arch DARTS_V2 --weights weights.safetensors --dataset cifar10 --data-dir cifar-10-batches-bin

The run directory of a training brings its weights and its data. Classes are
matched by name where weights and images tell names; there may be fewer than the
network knows. Of image files the folder val is enough.`;

/** A network, its weights, and the training that they are of. */
interface GivenNetwork {
  readonly genotype: Genotype;
  readonly known?: TrainingOfRun;
  readonly file: string;
}

interface GivenLanguageModel extends GivenNetwork {
  readonly genotype: RecurrentGenotype;
}

/** Rows of a confusion matrix that fit a screen. */
const mostShownClasses = 20;

/** Adds `dartsmith test`. */
export function addTestCommand(program: Command): void {
  const command = program
    .command('test')
    .summary('score a trained network on test images')
    .description(
      'Scores a trained network: accuracy, loss, accuracy by class, confusion matrix, images a second; perplexity of a language model.',
    )
    .option('--arch <genotype>', genotypeArgumentHelp, textParser('--arch', 'a genotype'))
    .option(
      '--weights <file>',
      'safetensors or PyTorch file (default: that of the run that --arch names)',
      textParser('--weights', 'a file'),
    )
    .option('--no-averages', plainWeightsHelp)
    .option(
      '--dataset <name>',
      `${[...datasetNames, ...corpusNames].join(', ')} (default: the run's)`,
      choiceParser('--dataset', [...datasetNames, ...corpusNames]),
    )
    .option('--data-dir <folder>', "its files (default: the run's)", textParser('--data-dir', 'a folder'))
    .option(
      '--batch-size <number>',
      `images at a time (default: ${usualBatchSize}); columns of a text (default: 1)`,
      integerParser('--batch-size', 1),
    )
    .option('--bptt <number>', 'words in turn of a pass over a text (default: 35)', integerParser('--bptt', 1))
    .option(
      '--label-smooth <share>',
      "of a label's probability, spread over all classes in the loss (default: 0)",
      numberParser('--label-smooth', 0),
    );
  addNetworkOptions(command);
  addLayersOption(command);
  addImageOptions(command);
  addPortionOption(command);
  addDeviceOptions(command);
  command.option('--json', 'print one JSON object').addHelpText('after', examples).action(runTestCommand);
}

async function runTestCommand(flags: TestFlags): Promise<void> {
  const given = await givenNetwork(flags);
  if (given.genotype.recurrent !== undefined) return runTextTest(given as GivenLanguageModel, flags);
  return runImageTest(given, flags);
}

async function runImageTest(given: GivenNetwork, flags: TestFlags): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  const live = flags.json || !isLiveTerminal(process.stdout, process.env) ? undefined : createLiveLine(process.stdout);
  try {
    const options = optionsOf(given, flags);
    const result = await test({
      ...options,
      signal: interrupt.signal,
      onProgress: (done, images) => live?.draw(() => `${done} of ${images} images`, done === images),
    });
    live?.close();
    if (flags.json) for (const notice of result.notices) process.stderr.write(`${notice}\n`);
    process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${reportLines(result).join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}

/** The network that a command line means. */
async function givenNetwork(flags: TestFlags): Promise<GivenNetwork> {
  const { arch, weights } = flags;
  if (arch === undefined) {
    throw new ArgumentError('expected --arch, the run directory of a training, or a genotype beside --weights');
  }
  const { genotype, run, weights: own } = await networkGenotype(arch, flags);
  const known = run === undefined ? undefined : await trainingOf(run);
  const file = weights ?? known?.weights ?? own;
  if (file === undefined) {
    throw new ArgumentError(`expected --weights beside --arch ${arch}: only the run of a training brings its own`);
  }
  return { genotype, known, file };
}

function optionsOf(
  { genotype, known, file }: GivenNetwork,
  flags: TestFlags,
): Omit<TestOptions, 'signal' | 'onProgress'> {
  const { averages, dataDir, validationPortion, workers, threads, backend, gpu, memoryLimit } = flags;
  const dataset = flags.dataset as DatasetName | undefined;
  const { imageSize, colourProfile, batchSize, labelSmooth } = flags;
  const images = { imageSize, colourProfile, validationPortion, seed: known?.seed };
  const common = {
    genotype,
    weights: file,
    averages,
    batchSize,
    labelSmooth,
    ...images,
    workers,
    ...withDeviceOptions({ threads, backend, gpu, memoryLimit }),
  };
  if (dataset !== undefined) return { ...common, dataset, dataDir };
  if (known?.dataset === undefined) throw new ArgumentError(`expected --dataset, one of ${datasetNames.join(', ')}`);
  const { limit } = known;
  const own = known.dataset as DatasetName;
  if (dataDir !== undefined) return { ...common, dataset: own, dataDir, limit };
  const portion = validationPortion ?? known.validationPortion;
  return { ...common, dataset: own, dataDir: known.dataDir, limit, validationPortion: portion };
}

/** Scores a language model, and shows how far that is. */
async function runTextTest({ genotype, known, file }: GivenLanguageModel, flags: TestFlags): Promise<void> {
  const { dataset = known?.dataset, dataDir = known?.dataDir, batchSize, bptt, json } = flags;
  const { threads, backend, gpu, memoryLimit } = flags;
  if (dataset === undefined) throw new ArgumentError(`expected --dataset, one of ${corpusNames.join(', ')}`);
  const interrupt = listenForInterrupt(() => {});
  const live = json || !isLiveTerminal(process.stdout, process.env) ? undefined : createLiveLine(process.stdout);
  try {
    const result = await testText({
      ...{ genotype, weights: file, dataset: dataset as CorpusName, dataDir, batchSize, bptt },
      ...{ limit: known?.limit, vocabulary: known?.vocabulary },
      ...withDeviceOptions({ threads, backend, gpu, memoryLimit }),
      signal: interrupt.signal,
      onProgress: (done, passes) => live?.draw(() => `${done} of ${passes} passes`, done === passes),
    });
    live?.close();
    if (json) for (const notice of result.notices) process.stderr.write(`${notice}\n`);
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${textLines(result).join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}

function textLines(result: TestTextResult): string[] {
  const { perplexity, loss, exactPerplexity, bitsPerWord, words, parameters, wordsPerSecond, device, notices } = result;
  return [
    `perplexity ${perplexity.toFixed(2)}, loss ${loss.toFixed(4)} as published (the sum over one word too many)`,
    `exact ${exactPerplexity.toFixed(2)}, ${bitsPerWord.toFixed(3)} bits a word: ${words} test words`,
    `${formatCount(parameters)} parameters; ${formatRate(wordsPerSecond)} words/s on ${device}`,
    ...notices,
  ];
}

function reportLines(result: TestResult): string[] {
  const { images, loss, accuracy, top5, confusion, classNames, notices, unreadable } = result;
  const { parameters, flops, imagesPerSecond, device } = result;
  const nameOf = (label: number) => classNames[label] ?? String(label);
  // Of the classes that there is something to tell of: a test may have fewer than the network.
  const shown = confusion.flatMap((row, label) => (sum(row) + sum(column(confusion, label)) > 0 ? [label] : []));
  const scored = confusion.filter((row) => sum(row) > 0).length;
  const best = top5 === undefined ? '' : `top-5 ${formatShare(top5)}, `;
  return [
    `accuracy ${formatShare(accuracy)}, ${best}loss ${loss.toFixed(4)}: ${images} test images of ${formatClasses(scored)}`,
    `${formatCount(parameters)} parameters, ${formatCount(flops)} FLOPs an image; ${formatRate(imagesPerSecond)} images/s on ${device}`,
    ...notices,
    ...unreadable.map(({ file, reason }) => `left out, since it cannot be read: ${file} (${reason})`),
    '',
    ...formatTable(
      [
        ['class', 'images', 'recall', 'precision', 'most often mistaken'],
        ...shown.map((label) => classRow(confusion, label, nameOf)),
      ],
      [1, 2, 3],
    ),
    ...(shown.length > mostShownClasses
      ? []
      : [
          '',
          'confusion matrix: a row a class, a column a prediction',
          ...formatTable(
            [
              ['', ...shown.map(nameOf)],
              ...shown.map((label) => [nameOf(label), ...shown.map((other) => String(confusion[label][other]))]),
            ],
            shown.map((_, place) => place + 1),
          ),
        ]),
  ];
}

type Confusion = TestResult['confusion'];

/** Name, images, recall, precision, what it was most often taken for. */
function classRow(confusion: Confusion, label: number, nameOf: (label: number) => string): string[] {
  const row = confusion[label];
  const predicted = sum(column(confusion, label));
  const mistaken = row.map((count, other) => [count, other] as const).filter(([, other]) => other !== label);
  const [most, as] = mistaken.reduce((worst, next) => (next[0] > worst[0] ? next : worst), [0, label] as const);
  return [
    nameOf(label),
    String(sum(row)),
    sum(row) === 0 ? '-' : formatShare(row[label] / sum(row)),
    predicted === 0 ? '-' : formatShare(row[label] / predicted),
    most === 0 ? '' : `${most} as ${nameOf(as)}`,
  ];
}

function column(confusion: Confusion, label: number): number[] {
  return confusion.map((row) => row[label]);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
