import { extname } from 'node:path';
import type { Command } from 'commander';
import { invalid } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { drawGenotype, type PictureFormat } from '../report/draw.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { textParser } from './options.ts';
import { publishedNames } from './published_names.ts';

const formats: readonly PictureFormat[] = ['svg', 'png', 'dot'];

const examples = `
Examples:
  dartsmith draw DARTS_V2 --out cells.svg
  dartsmith draw runs/mnist-20250101-120000 --out cells.png
  dartsmith draw DARTS_V2 | dot -Tpdf > cells.pdf

Published names:
  ${publishedNames()}`;

/** Adds `dartsmith draw`. */
export function addDrawCommand(program: Command): void {
  program
    .command('draw')
    .summary('draw the two cells of a genotype')
    .description('Draws the normal and the reduction cell of a genotype.')
    .argument('<genotype>', genotypeArgumentHelp)
    .option(
      '-o, --out <file>',
      'x.svg, x.png or x.dot (default: DOT text on stdout)',
      textParser('--out', 'a file name'),
    )
    .addHelpText('after', examples)
    .action(draw);
}

async function draw(argument: string, { out }: { out?: string }): Promise<void> {
  // The file name is judged first: it is the cheaper mistake to find.
  const format = out === undefined ? 'dot' : formatOf(out);
  const { genotype } = await genotypeArgument(argument);
  const picture = await drawGenotype(genotype, format);
  if (out === undefined) {
    process.stdout.write(picture);
  } else {
    await writeFileAtomic(out, picture);
    process.stdout.write(`wrote ${out}\n`);
  }
}

function formatOf(file: string): PictureFormat {
  const extension = extname(file).slice(1).toLowerCase();
  const format = formats.find((name) => name === extension);
  if (format === undefined) throw invalid('--out', 'a file name that ends in .svg, .png or .dot', file);
  return format;
}
