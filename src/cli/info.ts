import type { Command } from 'commander';
import { ArgumentError } from '../errors.ts';
import type { Genotype, RecurrentGenotype } from '../genotype/genotype.ts';
import { buildDerivedNetwork } from '../network/derived.ts';
import { callingSize } from '../network/image_size.ts';
import { buildSupernet } from '../network/supernet.ts';
import { type Cost, costOf } from '../report/cost.ts';
import { readRun } from '../run/directory.ts';
import { type SkeletonName, skeletonNames, skeletonOf, skeletons, usualSkeleton } from '../skeleton/skeletons.ts';
import { spaceOf } from '../space/space.ts';
import { formatBytes, formatCount, formatExact, formatShare, formatTable } from './format.ts';
import { addNetworkOptions, genotypeArgumentHelp, type NetworkFlags, networkGenotype } from './genotype_argument.ts';
import {
  type LanguageModelCost,
  type LanguageSizes,
  languageModelCost,
  languageModelReport,
  languageSizesOf,
} from './info_text.ts';
import { choiceParser, flagOf, integerParser, textParser } from './options.ts';
import { quoted } from './shell.ts';

interface InfoFlags extends NetworkFlags, LanguageSizes {
  readonly arch?: string;
  readonly initChannels?: number;
  readonly layers?: number;
  readonly classes?: number;
  readonly imageSize?: number;
  readonly imageChannels?: number;
  readonly space?: string;
  readonly skeleton?: SkeletonName;
  readonly normalisePooling?: boolean;
  readonly json?: boolean;
}

/** The network that is asked about, as `--json` prints it beside its cost. */
interface Subject {
  readonly network: 'supernet' | 'derived';
  readonly space?: string;
  readonly genotype?: Genotype;
  readonly initChannels: number;
  readonly layers: number;
  readonly classes: number;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
}

const examples = `
Examples:
  dartsmith info DARTS_V2
  dartsmith info --arch FairDARTS_a
  dartsmith info --arch STACNAS_CIFAR10 --normalise-pooling
  dartsmith info CDARTS_CIFAR --skeleton cdarts
  dartsmith info supernet --init-channels 8 --layers 5
  dartsmith info supernet --space nasbench201
  dartsmith info '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|'
  dartsmith info runs/mnist-20250101-120000 --json
  dartsmith info DARTS_V2_RNN --emsize 700 --words 33278
  dartsmith info supernet --space rnn

The images and classes of a run are those that it searched on. FLOPs are counted
as papers of FairDARTS and after it count them: multiply-accumulates of
convolutions, 4 an output element of average poolings, 65 a channel of 8x8
pixels for the last pooling, 2 · inputs - 1 an output of the classifier; the
auxiliary head is not run. NAS-Bench-201 counts multiply-accumulates, and 1 an
output of the classifier.`;

type Sizes = Pick<Subject, 'initChannels' | 'layers' | 'classes' | 'inputShape'>;

const cifar10 = { classes: 10, inputShape: [32, 32, 3] } as const;

/** Adds `dartsmith info`. */
export function addInfoCommand(program: Command): void {
  const integer = (flag: string) => [`${flag} <number>`, integerParser(flag, 1)] as const;
  const [initChannels, readInitChannels] = integer('--init-channels');
  const [layers, readLayers] = integer('--layers');
  const [classes, readClasses] = integer('--classes');
  const [imageSize, readImageSize] = integer('--image-size');
  const [imageChannels, readImageChannels] = integer('--image-channels');
  const [words, readWords] = integer('--words');
  const [emsize, readEmsize] = integer('--emsize');
  const command = program
    .command('info')
    .summary('what a network costs: parameters, multiply-accumulates, memory')
    .description(
      'Counts what the derived network of a genotype, or the supernet, costs for one image, or of a text for one word.',
    )
    .argument('[genotype]', `${genotypeArgumentHelp}; or the word supernet`)
    .option('--arch <genotype>', 'the same as an option', textParser('--arch', 'a genotype'))
    .option(initChannels, 'channels of the first cell (default: 36, supernet and NAS-Bench-201 16)', readInitChannels)
    .option(layers, 'number of cells (default: 20, supernet 8, NAS-Bench-201 15)', readLayers)
    .option(classes, 'classes (default: 10)', readClasses)
    .option(imageSize, 'height and width of an image in pixels (default: 32)', readImageSize)
    .option(imageChannels, 'channels of an image (default: 3)', readImageChannels)
    .option(words, 'of a language model: different words of its text (default: 10000)', readWords)
    .option(emsize, 'of a language model: size of a word and of the state (default: 850, supernet 300)', readEmsize)
    .option('--space <name>', 'search space of the supernet (default: darts)', textParser('--space', 'a search space'))
    .option(
      '--skeleton <name>',
      "of a genotype: whose network its cells are put into, such as cdarts (default: the genotype's usual one)",
      choiceParser('--skeleton', skeletonNames),
    )
    .option('--normalise-pooling', 'of a genotype: a batch normalisation follows each pooling, as in StacNAS')
    .option('--json', 'print one JSON object');
  addNetworkOptions(command);
  command.addHelpText('after', examples).action(info);
}

async function info(argument: string | undefined, flags: InfoFlags): Promise<void> {
  const asked = argumentOf(argument, flags);
  const text = await languageModel(asked, flags);
  if (text !== undefined) {
    const lines = [...languageModelReport(text.model), ...(text.run === undefined ? [] : ['', repeatHint(text.run)])];
    process.stdout.write(`${flags.json ? JSON.stringify(text.model) : lines.join('\n')}\n`);
    return;
  }
  refuse(ofTexts, flags, 'a language model: leave it out of networks for images');
  const { subject, cost, run } = asked === 'supernet' ? supernetCost(flags) : await derivedCost(asked, flags);
  const lines = [...costReport(subject, cost), ...(run === undefined ? [] : ['', repeatHint(run)])];
  process.stdout.write(`${flags.json ? JSON.stringify({ ...subject, ...cost }) : lines.join('\n')}\n`);
}

/** A run directory tells how to repeat it. */
function repeatHint(run: string): string {
  return `repeat the run with: dartsmith repeat ${quoted(run)}`;
}

const ofTexts = ['words', 'emsize'] as const;
const ofImages = [
  ...['initChannels', 'layers', 'classes', 'imageSize', 'imageChannels', 'skeleton', 'normalisePooling'],
  'dropDeadNodes',
] as readonly (keyof InfoFlags)[];

function refuse(names: readonly (keyof InfoFlags)[], flags: InfoFlags, what: string): void {
  const given = names.find((name) => flags[name] !== undefined);
  if (given !== undefined) throw new ArgumentError(`${flagOf(given)} is of ${what}`);
}

/** What is asked about, where that is of a text. */
async function languageModel(
  asked: string,
  flags: InfoFlags,
): Promise<{ readonly model: LanguageModelCost; readonly run?: string } | undefined> {
  const given = asked === 'supernet' ? undefined : await networkGenotype(asked, flags);
  const isText = given === undefined ? flags.space === 'rnn' : given.genotype.recurrent !== undefined;
  if (!isText) return undefined;
  refuse(ofImages, flags, 'networks for images: leave it out of a language model');
  if (given === undefined) return { model: languageModelCost(flags) };
  refuse(['space'], flags, 'the supernet: leave it out, or ask for dartsmith info supernet');
  const { words, emsize } = given.run === undefined ? {} : await languageSizesOf(given.run);
  const sizes = { words: flags.words ?? words, emsize: flags.emsize ?? emsize };
  return { model: languageModelCost(sizes, given.genotype as RecurrentGenotype), run: given.run };
}

/** By its place or as --arch. */
function argumentOf(argument: string | undefined, { arch }: InfoFlags): string {
  if (argument !== undefined && arch !== undefined) {
    throw new ArgumentError(`expected one genotype but got ${argument} and --arch ${arch}`);
  }
  const asked = argument ?? arch;
  if (asked === undefined) throw new ArgumentError('expected a genotype, such as DARTS_V2, or the word supernet');
  return asked;
}

/** A derived network is trained with an auxiliary head, whose parameters are told apart. */
interface SubjectCost extends Cost {
  readonly parametersWithAuxiliaryHead?: number;
}

interface Counted {
  readonly subject: Subject;
  readonly cost: SubjectCost;
  /** Directory of the run that is asked about. */
  readonly run?: string;
}

function supernetCost(flags: InfoFlags): Counted {
  if (flags.dropDeadNodes) throw new ArgumentError('--drop-dead-nodes is for genotypes: leave it out');
  if (flags.skeleton) throw new ArgumentError('--skeleton is for genotypes: a space has its own');
  if (flags.normalisePooling) throw new ArgumentError('--normalise-pooling is for genotypes: leave it out');
  const { usual } = skeletonOf(spaceOf(flags.space ?? 'darts').skeleton ?? 'darts');
  const sizes = sizesOf(flags, { ...cifar10, ...usual.supernet });
  const { graph, space } = callingSize('--image-size', () => buildSupernet({ ...sizes, space: flags.space }));
  return { subject: { network: 'supernet', space: space.name, ...sizes }, cost: costOf(graph) };
}

async function derivedCost(argument: string, flags: InfoFlags): Promise<Counted> {
  if (flags.space !== undefined) {
    throw new ArgumentError('--space belongs to the supernet: leave it out, or ask for dartsmith info supernet');
  }
  const { genotype, run } = await networkGenotype(argument, flags);
  const searched = run === undefined ? {} : await searchedOn(run);
  const { skeleton = usualSkeleton(genotype) } = flags;
  const { usual, hasAuxiliaryHead } = skeletons[skeleton];
  const sizes = sizesOf(flags, { ...cifar10, ...usual.derived, ...searched });
  const { normalisePooling } = flags;
  const network = { genotype, skeleton, ...sizes, normalisePooling };
  const { graph } = callingSize('--image-size', () => buildDerivedNetwork(network));
  if (!hasAuxiliaryHead) return { subject: { network: 'derived', genotype, ...sizes }, cost: costOf(graph), run };
  // Parameters do not depend on the size of images, but a head needs some of it.
  const [, , channels] = sizes.inputShape;
  const roomy = { ...network, inputShape: [32, 32, channels] as const };
  const { graph: trained } = buildDerivedNetwork({ ...roomy, auxiliaryWeight: 0 });
  const cost = { ...costOf(graph), parametersWithAuxiliaryHead: costOf(trained).parameters };
  return { subject: { network: 'derived', genotype, ...sizes }, cost, run };
}

/** The images and classes of a run's dataset. */
async function searchedOn(run: string): Promise<Pick<Sizes, 'classes' | 'inputShape'>> {
  const { dataset } = (await readRun(run)).config;
  const { classes, imageShape: inputShape } = dataset;
  if (classes === undefined || inputShape === undefined)
    throw new ArgumentError(`${run} is a run of a text: dartsmith show tells of it`);
  return { classes, inputShape };
}

function sizesOf({ imageSize, imageChannels, ...flags }: InfoFlags, defaults: Sizes): Sizes {
  const { initChannels = defaults.initChannels, layers = defaults.layers, classes = defaults.classes } = flags;
  const [height, width, channels] = defaults.inputShape;
  const inputShape = [imageSize ?? height, imageSize ?? width, imageChannels ?? channels] as const;
  return { initChannels, layers, classes, inputShape };
}

function costReport(subject: Subject, cost: SubjectCost): string[] {
  const { network, space, initChannels, layers, classes, inputShape } = subject;
  const title = space === undefined ? `${network} network` : `${network} of space ${space}`;
  const kinds = Object.entries(cost.byKind);
  const { untrainedParameters: untrained, parametersWithAuxiliaryHead: withHead } = cost;
  const rest = cost.parameters - untrained - kinds.reduce((sum, [, kind]) => sum + kind.parameters, 0);
  const rows = [
    ['', 'parameters', 'multiply-accumulates', ''],
    ...kinds.map(([name, kind]) => costRow(name, kind.parameters, kind.multiplyAccumulates, cost)),
    ['batch-norm', formatExact(rest), '', ''],
    ...(untrained > 0 ? [['of edges passed over', formatExact(untrained), '0', '']] : []),
    costRow('total', cost.parameters, cost.multiplyAccumulates, cost),
  ];
  const totals = [
    ['parameters', formatCount(cost.parameters)],
    ...(withHead === undefined ? [] : [['with auxiliary head', `${formatCount(withHead)} (${formatExact(withHead)})`]]),
    ...(cost.architectureParameters > 0 ? [['architecture parameters', formatExact(cost.architectureParameters)]] : []),
    ['multiply-accumulates', formatCount(cost.multiplyAccumulates)],
    ['FLOPs as published', `${formatExact(cost.flops)}, of convolutions alone ${formatExact(cost.convolutionFlops)}`],
    ['FLOPs of NAS-Bench-201', formatExact(cost.nasbench201Flops)],
    ['activation memory', `${formatBytes(cost.activationBytes)} an image in training, every output kept as float32`],
  ];
  return [
    `${title}: ${initChannels} channels, ${layers} cells, ${classes} classes, images ${inputShape.join('x')}`,
    '',
    ...formatTable(rows, [1, 2, 3]),
    '',
    ...formatTable(totals),
  ];
}

function costRow(
  name: string,
  parameters: number,
  multiplyAccumulates: number,
  { multiplyAccumulates: all }: Cost,
): string[] {
  return [name, formatExact(parameters), formatExact(multiplyAccumulates), formatShare(multiplyAccumulates / all)];
}
