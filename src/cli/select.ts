import type { Command } from 'commander';
import { ArgumentError, DataError } from '../errors.ts';
import { checkLive } from '../genotype/dead_nodes.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import type { Method } from '../methods/method.ts';
import { methodsOf } from '../methods/registry.ts';
import { type SelectFromOptions, type Selection, selectFrom } from '../run/select.ts';
import { looksAtThreshold } from '../select/rules.ts';
import { momentOf } from '../words.ts';
import { addHistoryOptions, historySourceHelp } from './history_options.ts';
import { integerParser, textParser } from './options.ts';
import { genotypeText } from './progress.ts';

const examples = `
Examples:
  dartsmith select runs/mine --by threshold_sparse --threshold 0.85
  dartsmith select runs/mine --by threshold_edge --epoch 30 --out genotype.txt
  dartsmith select normal_weight.npy
  dartsmith select runs/mine --by projection --help

Prints the genotype; how many weights reach the threshold goes to stderr. --arch
takes what --out writes.`;

/** Options of the command line. */
type Given = SelectFromOptions & { readonly out?: string; readonly json?: boolean };

/** Adds `dartsmith select`. */
export function addSelectCommand(program: Command, methods: readonly Method[]): void {
  const command = program
    .command('select')
    .summary('select a genotype afterwards, by another rule or threshold')
    .description("Selects a genotype from a search's mixing weights, by any rule and threshold.")
    .argument('<source>', historySourceHelp);
  addHistoryOptions(
    command,
    methodsOf('select', methods).map(({ name }) => name),
  );
  command
    .option(
      '--epoch <number>',
      'epochs that the search had behind it, 0 being before its first step (default: the last entry)',
      integerParser('--epoch', 0),
    )
    .option(
      '-o, --out <file>',
      'write it there: JSON to x.json, else the published text',
      textParser('--out', 'a file name'),
    )
    .option('--json', 'print genotype and counts as JSON')
    .addHelpText('after', examples)
    .action(select);
}

async function select(source: string, { out, json = false, ...options }: Given): Promise<void> {
  const selection = await selectFrom(source, options);
  const { genotype, notice } = selection;
  if (json) process.stdout.write(`${JSON.stringify(selection)}\n`);
  const [rule, ...counts] = countLines(selection);
  // A notice has the counts too.
  const told = json ? [] : [rule, ...(notice === undefined ? counts : [])];
  for (const line of told) process.stderr.write(`${line}\n`);
  if (notice !== undefined) throw new DataError(notice);
  if (!json) process.stdout.write(`${genotypeText(genotype)}\n`);
  tellDead(genotype);
  if (out === undefined) return;
  const text = /\.json$/i.test(out) ? formatGenotype(genotype, 'json') : genotypeText(genotype);
  await writeFileAtomic(out, `${text}\n`);
  process.stderr.write(`wrote ${out}\n`);
}

/** A selection with entries may still be one that no network can be built of. */
function tellDead(genotype: Genotype): void {
  try {
    checkLive(genotype);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    process.stderr.write(`note: ${error.message}\n`);
  }
}

function countLines({ by, threshold, epoch, counts }: Selection): string[] {
  const cells = Object.entries(counts).map(([key, { weights, atLeastThreshold, largest }]) => {
    const reached = looksAtThreshold(by)
      ? `${atLeastThreshold} of ${weights} mixing weights reach ${threshold}`
      : `${weights} mixing weights`;
    return `${key}: ${reached}, the largest is ${largest.weight.toFixed(4)}`;
  });
  return [`by ${by}${epoch === undefined ? '' : `, ${momentOf(epoch)}`}`, ...cells];
}
