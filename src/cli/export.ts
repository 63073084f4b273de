import { extname } from 'node:path';
import type { Command } from 'commander';
import { ArgumentError, invalid } from '../errors.ts';
import { type ExportedNetwork, type ExportFormat, exportFormats, exportWeights } from '../exchange/export.ts';
import { type ExportedLanguageModel, exportLanguageWeights } from '../exchange/export_language_model.ts';
import { isLanguageModel } from '../exchange/language_names.ts';
import { readWeights } from '../exchange/weights.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { spaceOfCheckpoint } from '../run/recorded_space.ts';
import { spaces } from '../space/space.ts';
import { runTensorboardExport, tensorboardFormat } from './export_tensorboard.ts';
import { formatBytes } from './format.ts';
import {
  addLayersOption,
  addNetworkOptions,
  genotypeArgumentHelp,
  type NetworkFlags,
  networkGenotype,
} from './genotype_argument.ts';
import { choiceParser, integerParser, textParser } from './options.ts';
import { trainingOf } from './training_run.ts';

/** What both commands take. */
interface SourceFlags extends NetworkFlags {
  readonly space?: string;
  readonly alphas?: string;
  readonly averages: boolean;
  readonly out: string;
}

interface ExportFlags extends SourceFlags {
  readonly arch?: string;
  readonly weights?: string;
  readonly format?: ExportFormat | typeof tensorboardFormat;
  readonly imageSize?: number;
  readonly separateAlphas?: boolean;
}

interface ImportFlags extends SourceFlags {
  readonly arch?: string;
}

const extensions: Readonly<Record<string, ExportFormat>> = {
  '.onnx': 'onnx',
  '.pt': 'pt',
  '.pth': 'pt',
  '.safetensors': 'safetensors',
};

/** Of --no-averages. */
export const plainWeightsHelp = 'the plain weights where a file holds averaged ones (ema, swa) beside them';

const exportExamples = `
Examples:
  dartsmith export --arch runs/mine-trained --out network.onnx
  dartsmith export --arch DARTS_V2 --weights weights.pt --out network.onnx --image-size 32
  dartsmith export --weights runs/mine/checkpoint.safetensors --out supernet.pt
  dartsmith export --weights runs/mine/checkpoint.safetensors --separate-alphas --out supernet.pt
  dartsmith export --arch runs/mine-trained --format pt-legacy --out weights.pt
  dartsmith export --arch ptb_model.pt --out language-model.onnx
  dartsmith export --format tensorboard runs/mine --out board

pt is the format of torch.save since PyTorch 1.6, pt-legacy the one before, in
what PyTorch 0.3 of the published code reads. An ONNX model takes images as
[batch, channels, height, width] and gives logits. Of a training of ours it
takes pixels from 0 to 1 and normalises them itself; of other weights it takes
images that are normalised as for their training. The published code keeps the
alphas of a search out of its state dict: with --separate-alphas its strict
load_state_dict takes torch.load(file)['state_dict'], and alphas_normal and
alphas_reduce (of a language model: weights) are entries beside it.

That of a language model takes words as int64 [T, B] and a state [1, B, n],
zeros where a text begins, and gives log-probabilities [T, B, V] and the last
state, which goes in with the words that follow.`;

const importExamples = `
Examples:
  dartsmith import cifar10_model.pt --arch DARTS_V2 --out weights.safetensors
  dartsmith import FairDARTS-b.tar --arch FairDARTS_b --out weights.safetensors
  dartsmith import supernet.pt --out supernet.safetensors
  dartsmith import search-weights.pt --alphas alphas.json --out supernet.safetensors
  dartsmith import ptb_model.pt --out ptb.safetensors

Reads what torch.save wrote (zip and legacy format) without running anything in
it: a state dict, a checkpoint that holds one, or a whole module. The names tell
a supernet of a search and its sizes, so that it needs no --arch. Its alphas are
those of the state dict or beside it (alphas_normal and alphas_reduce, or
arch_parameters), or of --alphas: the same in safetensors, of torch.save, or
JSON such as {"alphas_normal": [[0.1, ...], ...], "alphas_reduce": [...]}; else
zeros.

A whole language model (model.pt of the published code, ptb_model.pt) tells its
genotype. It knows words by number alone: whatever scores it wants the text
whose vocabulary it was trained with.`;

/** Adds `dartsmith export`. */
export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .summary('write a trained network as ONNX, for PyTorch, or as safetensors; a run for TensorBoard')
    .description(
      'Writes a trained derived network, for PyTorch the supernet of a search, or for TensorBoard what a run shows.',
    )
    .argument('[run]', 'for tensorboard: a run directory')
    .option(
      '--arch <genotype>',
      `${genotypeArgumentHelp} (default: what the weights tell)`,
      textParser('--arch', 'a genotype'),
    )
    .option(
      '--weights <file>',
      'safetensors or PyTorch file (default: that of the run)',
      textParser('--weights', 'a file'),
    )
    .option(
      '--format <name>',
      `${[...exportFormats, tensorboardFormat].join(', ')} (default: by the ending of --out)`,
      choiceParser('--format', [...exportFormats, tensorboardFormat]),
    )
    .option(
      '--image-size <number>',
      "height and width of an image, for ONNX (default: the training's, 32)",
      integerParser('--image-size', 1),
    )
    .option('--separate-alphas', 'of a supernet for PyTorch: alphas beside the state dict (default: in it)')
    .requiredOption(
      '-o, --out <file>',
      'the file to write; for tensorboard a folder',
      textParser('--out', 'a file name'),
    )
    .addHelpText('after', exportExamples)
    .action(runExport);
  addSourceOptions(command);
}

/** Adds `dartsmith import`. */
export function addImportCommand(program: Command): void {
  const command = program
    .command('import')
    .summary('read weights that PyTorch wrote')
    .description('Reads the weights of a network from a PyTorch checkpoint and writes them as safetensors.')
    .argument('<file>', 'what torch.save wrote, or safetensors')
    .option('--arch <genotype>', `${genotypeArgumentHelp}; none for a supernet`, textParser('--arch', 'a genotype'))
    .requiredOption('-o, --out <file>', 'the safetensors file to write', textParser('--out', 'a file name'))
    .addHelpText('after', importExamples)
    .action(runImport);
  addSourceOptions(command);
}

function addSourceOptions(command: Command): void {
  addNetworkOptions(command);
  addLayersOption(command);
  command
    .option(
      '--alphas <file>',
      "of a supernet: a file of its alphas (default: the weights')",
      textParser('--alphas', 'a file'),
    )
    .option(
      '--space <name>',
      'of a supernet: its search space (default: that of its run, else darts)',
      choiceParser('--space', Object.keys(spaces)),
    )
    .option('--no-averages', plainWeightsHelp);
}

async function runExport(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { format, out, averages, ...others } = flags;
  if (format === tensorboardFormat) {
    return runTensorboardExport(run, out, { ...others, ...(averages ? {} : { noAverages: true }) });
  }
  if (run !== undefined)
    throw new ArgumentError(`${run} without --arch is for --format tensorboard: --arch ${run} takes its network`);
  await exportNetworkOf({ ...flags, format });
}

async function exportNetworkOf({
  arch,
  weights,
  format,
  imageSize,
  out,
  dropDeadNodes,
  layers,
  ...rest
}: ExportFlags & { readonly format?: ExportFormat }): Promise<void> {
  const chosen = format ?? extensions[extname(out).toLowerCase()];
  if (chosen === undefined) throw invalid('--out', 'a name that ends in .onnx, .pt or .safetensors, or --format', out);
  if (imageSize !== undefined && chosen !== 'onnx') {
    throw new ArgumentError('--image-size is for ONNX: weights have no image size, leave it out');
  }
  const given = arch === undefined ? undefined : await networkGenotype(arch, { dropDeadNodes, layers });
  const training = given?.run === undefined ? undefined : await trainingOf(given.run);
  const file = weights ?? training?.weights ?? given?.weights;
  if (file === undefined) throw new ArgumentError('expected --weights, or the run directory of a training as --arch');
  const stored = await readWeights(file, rest);
  const options = { ...rest, weights: file, genotype: given?.genotype, format: chosen };
  if (isLanguageModel(stored.tensors)) {
    refuseOfLanguageModels({ ...rest, imageSize });
    await writeLanguageModel(out, chosen, await exportLanguageWeights(options, stored));
    return;
  }
  const space = rest.space ?? (given === undefined ? await spaceOfCheckpoint(file) : undefined);
  const size = imageSize === undefined ? undefined : ([imageSize, imageSize] as const);
  await writeNetwork(out, chosen, await exportWeights({ ...options, space, imageSize: size }, stored));
}

async function runImport(path: string, { arch, out, dropDeadNodes, layers, ...rest }: ImportFlags): Promise<void> {
  const given = arch === undefined ? undefined : await networkGenotype(arch, { dropDeadNodes, layers });
  const options = { ...rest, weights: path, genotype: given?.genotype, format: 'safetensors' } as const;
  const stored = await readWeights(path, rest);
  if (!isLanguageModel(stored.tensors)) {
    await writeNetwork(out, 'safetensors', await exportWeights(options, stored));
    return;
  }
  refuseOfLanguageModels(rest);
  await writeLanguageModel(out, 'safetensors', await exportLanguageWeights(options, stored));
}

/** Throws ArgumentError for options of images. */
function refuseOfLanguageModels({ imageSize, space }: Pick<ExportFlags, 'imageSize' | 'space'>): void {
  const option = imageSize !== undefined ? '--image-size' : space !== undefined ? '--space' : undefined;
  if (option !== undefined) throw new ArgumentError(`${option} is for networks of images: leave it out`);
}

async function writeNetwork(out: string, format: ExportFormat, exported: ExportedNetwork): Promise<void> {
  const { inputShape, normalises } = exported;
  const [height, width, channels] = inputShape;
  const pixels = normalises ? 'pixels from 0 to 1' : 'normalised images';
  const ends = `images [batch, ${channels}, ${height}, ${width}] of ${pixels} to logits`;
  await write(out, exported, describe(exported), format === 'onnx' ? ends : undefined);
}

async function writeLanguageModel(out: string, format: ExportFormat, exported: ExportedLanguageModel): Promise<void> {
  const { words, size, nodes, supernet } = exported;
  const model = `${supernet ? 'searched ' : ''}language model: ${words} words of ${size} numbers, ${nodes} nodes`;
  const ends = `words [T, B] and state [1, B, ${size}] to log-probabilities [T, B, ${words}] and the last state`;
  await write(out, exported, model, format === 'onnx' ? ends : undefined);
}

/** Writes the file and tells what is in it; `ends` of a model that runs what goes in and comes out. */
async function write(
  out: string,
  { bytes, notices }: Pick<ExportedNetwork, 'bytes' | 'notices'>,
  network: string,
  ends?: string,
): Promise<void> {
  await writeFileAtomic(out, bytes);
  for (const notice of notices) process.stderr.write(`${notice}\n`);
  const wrote = `wrote ${out} (${formatBytes(bytes.length)})`;
  process.stdout.write(`${network}\n${ends === undefined ? wrote : `${wrote}: ${ends}`}\n`);
}

function describe({ supernet, initChannels, layers, classes, stem, auxiliary }: ExportedNetwork): string {
  const parts = [`${initChannels} channels`, `${layers} cells`, `${classes} classes`, `${stem} stem`];
  return `${supernet ? 'supernet' : 'network'}: ${[...parts, ...(auxiliary ? ['auxiliary head'] : [])].join(', ')}`;
}
