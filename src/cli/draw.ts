import { extname } from 'node:path';
import type { Command } from 'commander';
import { invalid } from '../errors.ts';
import { genotypes } from '../genotype/published.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { drawGenotype, type PictureFormat } from '../report/draw.ts';
import { wrapped } from './format.ts';
import { genotypeArgument, genotypeArgumentHelp } from './genotype_argument.ts';
import { textParser } from './options.ts';

const formats: readonly PictureFormat[] = ['svg', 'png', 'dot'];

const examples = `
Examples:
  dartsmith draw DARTS_V2 --out cells.svg
  dartsmith draw runs/mnist-20250101-120000 --out cells.png
  dartsmith draw DARTS_V2 | dot -Tpdf > cells.pdf

Published names:
  ${wrapped(inSeries(Object.keys(genotypes)).join(', '), 76)}`;

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

/** Names, of which three and more that end in consecutive letters or digits stand as one: FairDARTS_a to g. */
function inSeries(names: readonly string[]): string[] {
  const series: string[][] = [];
  for (const name of names) {
    const last = series.at(-1);
    if (last !== undefined && isNext(last[last.length - 1], name)) last.push(name);
    else series.push([name]);
  }
  return series.flatMap((list) => (list.length < 3 ? list : [`${list[0]} to ${list[list.length - 1].slice(-1)}`]));
}

function isNext(name: string, next: string): boolean {
  const [stem, end] = [name.slice(0, -1), name.charCodeAt(name.length - 1)];
  return next === stem + String.fromCharCode(end + 1);
}
