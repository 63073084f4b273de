import { extname } from 'node:path';
import type { Command } from 'commander';
import { ArgumentError, invalid } from '../errors.ts';
import { type ExportedNetwork, type ExportFormat, exportFormats, exportNetwork } from '../exchange/export.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { formatBytes } from './format.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { choiceParser, integerParser, textParser } from './options.ts';
import { trainingOf } from './training_run.ts';

interface ExportFlags {
  readonly arch?: string;
  readonly weights?: string;
  readonly format?: ExportFormat;
  readonly imageSize?: number;
  readonly out: string;
}

interface ImportFlags {
  readonly arch?: string;
  readonly out: string;
}

const extensions: Readonly<Record<string, ExportFormat>> = {
  '.onnx': 'onnx',
  '.pt': 'pt',
  '.pth': 'pt',
  '.safetensors': 'safetensors',
};

const exportExamples = `
Examples:
  dartsmith export --arch runs/mine-trained --out network.onnx
  dartsmith export --arch DARTS_V2 --weights weights.pt --out network.onnx --image-size 32
  dartsmith export --weights runs/mine/checkpoint.safetensors --out supernet.pt
  dartsmith export --arch runs/mine-trained --format pt-legacy --out weights.pt

pt is the format of torch.save since PyTorch 1.6, pt-legacy the one before, in what PyTorch 0.3 of the published code reads.
An ONNX model takes images as [batch, channels, height, width] and gives logits. Of a training of ours it takes pixels from 0 to 1 and
normalises them itself; of other weights it takes images that are normalised as for their training.`;

const importExamples = `
Examples:
  dartsmith import cifar10_model.pt --arch DARTS_V2 --out weights.safetensors
  dartsmith import supernet.pt --out supernet.safetensors

Reads what torch.save wrote (zip and legacy format; a state dict, or a dict with one under state_dict) without running anything in it.`;

/** Adds `dartsmith export`. */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .summary('write a trained network as ONNX, for PyTorch, or as safetensors')
    .description(
      'Writes a trained derived network, or for PyTorch the supernet of a search, in a form that other programs read.',
    )
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
      `${exportFormats.join(', ')} (default: by the ending of --out)`,
      choiceParser('--format', exportFormats),
    )
    .option(
      '--image-size <number>',
      "height and width of an image, for ONNX (default: the training's, 32)",
      integerParser('--image-size', 1),
    )
    .requiredOption('-o, --out <file>', 'the file to write', textParser('--out', 'a file name'))
    .addHelpText('after', exportExamples)
    .action(runExport);
}

/** Adds `dartsmith import`. */
export function addImportCommand(program: Command): void {
  program
    .command('import')
    .summary('read weights that PyTorch wrote')
    .description('Reads the weights of a network from a PyTorch checkpoint and writes them as safetensors.')
    .argument('<file>', 'what torch.save wrote, or safetensors')
    .option(
      '--arch <genotype>',
      `${genotypeArgumentHelp}; none for a supernet, which has alphas`,
      textParser('--arch', 'a genotype'),
    )
    .requiredOption('-o, --out <file>', 'the safetensors file to write', textParser('--out', 'a file name'))
    .addHelpText('after', importExamples)
    .action(runImport);
}

async function runExport({ arch, weights, format, imageSize, out }: ExportFlags): Promise<void> {
  const chosen = format ?? extensions[extname(out).toLowerCase()];
  if (chosen === undefined) throw invalid('--out', 'a name that ends in .onnx, .pt or .safetensors, or --format', out);
  if (imageSize !== undefined && chosen !== 'onnx') {
    throw new ArgumentError('--image-size is for ONNX: weights have no image size, leave it out');
  }
  const given = arch === undefined ? undefined : await genotypeArgument(arch);
  const training = given?.run === undefined ? undefined : await trainingOf(given.run);
  const file = weights ?? training?.weights;
  if (file === undefined) throw new ArgumentError('expected --weights, or the run directory of a training as --arch');
  const exported = await exportNetwork({
    ...{ weights: file, genotype: given?.genotype, format: chosen },
    imageSize: imageSize === undefined ? undefined : [imageSize, imageSize],
  });
  await writeFileAtomic(out, exported.bytes);
  process.stdout.write(`${describe(exported)}\n${describeFile(out, chosen, exported)}\n`);
}

async function runImport(path: string, { arch, out }: ImportFlags): Promise<void> {
  const given = arch === undefined ? undefined : await genotypeArgument(arch);
  const imported = await exportNetwork({ weights: path, genotype: given?.genotype, format: 'safetensors' });
  await writeFileAtomic(out, imported.bytes);
  process.stdout.write(`${describe(imported)}\n${describeFile(out, 'safetensors', imported)}\n`);
}

function describe({ supernet, initChannels, layers, classes, stem, auxiliary }: ExportedNetwork): string {
  const parts = [`${initChannels} channels`, `${layers} cells`, `${classes} classes`, `${stem} stem`];
  return `${supernet ? 'supernet' : 'network'}: ${[...parts, ...(auxiliary ? ['auxiliary head'] : [])].join(', ')}`;
}

function describeFile(out: string, format: ExportFormat, { bytes, inputShape, normalises }: ExportedNetwork): string {
  const wrote = `wrote ${out} (${formatBytes(bytes.length)})`;
  if (format !== 'onnx') return wrote;
  const [height, width, channels] = inputShape;
  const pixels = normalises ? 'pixels from 0 to 1' : 'normalised images';
  return `${wrote}: images [batch, ${channels}, ${height}, ${width}] of ${pixels} to logits`;
}
